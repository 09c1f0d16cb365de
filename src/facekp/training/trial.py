"""One trial of a search: a run in a process of its own, watched through its metrics.csv.

A process of its own gives its memory back, may crash without the search, and can be stopped at any time.
"""

from __future__ import annotations

import logging
import multiprocessing as mp
import multiprocessing.connection
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import plots
from ..errors import ArgumentError, FacekpError

__all__ = ["Attempt", "wait"]

PATIENCE = 20.0  # seconds to write a checkpoint's end after being told to stop
REASON = "error.txt"
LOG = "log.txt"


def _context() -> Any:
    # A fork server imports torch once for all trials; where there is none, each imports it anew.
    if "forkserver" not in mp.get_all_start_methods():
        return mp.get_context("spawn")
    context = mp.get_context("forkserver")
    context.set_forkserver_preload(["facekp.training.run"])
    return context


class Attempt:
    """A run that goes on in another process.

    Args:
        recipe: a name, or a YAML file.
        overrides: of its keys.
        folder: the run's; a run that is there is resumed.
        threads: CPU threads; 0 leaves it to torch.
    """

    def __init__(self, recipe: str | Path, overrides: Sequence[str], folder: Path, threads: int) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        (folder / REASON).unlink(missing_ok=True)
        self.process = _context().Process(target=_work, args=(str(recipe), list(overrides), str(folder), threads))
        self.process.start()

    @property
    def ended(self) -> bool:
        """Whether the process is gone."""
        return not self.process.is_alive()

    def reason(self) -> str | None:
        """Why it failed; None where it did not."""
        if self.process.exitcode == 0:
            return None
        file = self.folder / REASON
        said = file.read_text("utf-8").strip() if file.is_file() else ""
        return said or f"the process ended with code {self.process.exitcode}; see {self.folder / LOG}"

    def measured(self, metric: str) -> list[tuple[int, float]]:
        """Epochs and the metric's values up to now, NaN included."""
        file = self.folder / "metrics.csv"
        try:
            if not self.ended and not file.read_bytes().endswith(b"\n"):
                return []  # it is being written
            rows = plots.read_metrics(self.folder)
        except (OSError, ArgumentError):
            return []
        return [(int(row["epoch"]), row[metric]) for row in rows if metric in row]

    def stop(self) -> None:
        """End the process; what it has written stays."""
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(PATIENCE)
        if self.process.is_alive():
            self.process.kill()
        self.process.join()


def wait(attempts: list[Attempt], seconds: float) -> None:
    """Until one of them has ended, or the time is over."""
    multiprocessing.connection.wait([a.process.sentinel for a in attempts], seconds)


def _work(recipe: str, overrides: list[str], folder: str, threads: int) -> None:
    """The process: train, and leave a line where that fails."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the search's to answer: it stops us
    threading.Thread(target=_follow, daemon=True).start()
    _redirect(Path(folder) / LOG)
    logging.basicConfig(format="%(message)s", level=logging.WARNING, force=True)
    logging.getLogger("facekp").setLevel(logging.INFO)
    try:
        import torch

        from . import recipe as recipes
        from . import run

        if threads:
            torch.set_num_threads(threads)
        run.fit(recipes.load(recipe, overrides), folder, resume=True)
    except Exception as error:  # noqa: BLE001  (the outermost layer: what is left becomes one line)
        traceback.print_exc()
        said = str(error) if isinstance(error, FacekpError) else f"{type(error).__name__}: {error}"
        (Path(folder) / REASON).write_text(f"{' '.join(said.split())}\n", "utf-8")
        sys.exit(1)


def _follow() -> None:
    """A run does not outlive the search that started it, however that ends."""
    parent = mp.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _redirect(file: Path) -> None:
    """All output into a file: of Lightning, of C libraries, of data workers."""
    sys.stdout.flush()
    sys.stderr.flush()
    target = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(target, 1)
    os.dup2(target, 2)
    os.close(target)
