"""Search over a recipe's keys with Optuna.  Needs ``pip install 'facekp[search]'``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import ArgumentError, MissingExtraError, RecipeError, unknown_name
from . import space
from .found import Found, collect
from .search_loop import Loop

if TYPE_CHECKING:
    import optuna

__all__ = ["PRUNERS", "SAMPLERS", "search"]

#: How the next trial is chosen.
SAMPLERS = ("tpe", "random", "grid")
#: Which trials are stopped early.
PRUNERS = ("none", "median")


def search(
    recipe: str | Path,
    over: Sequence[str],
    output: str | Path,
    *,
    fixed: Sequence[str] = (),
    trials: int | None = None,
    sampler: str = "tpe",
    pruner: str = "none",
    storage: str | Path | None = None,
    workers: int = 1,
    threads: int = 0,
    metric: str = "val/nme",
    maximize: bool = False,
    seed: int = 0,
) -> Found:
    """Train a recipe again and again with other values of some keys, and say which were best.

    A trial's value is the best that any of its validations measured.  Each trial is a run in a process and a folder of
    its own, ``output/trial-0000`` and so on, with the run's output in ``log.txt``.  Called again with the same
    arguments, the search goes on where it was, its interrupted trials from their last checkpoints; trials that failed
    are tried again.  Several such calls may share the work at the same time, on one machine or several with one file
    system; give each its own ``seed`` then.  (A call from a script needs ``if __name__ == "__main__":``, as all of
    Python's ``multiprocessing`` does.)

    Args:
        recipe: a name of :func:`facekp.training.recipe.names`, or a YAML file.
        over: the keys and what they may be: ``optimizer.lr=log:1e-4..1e-2``, ``network.head_width=32..256``,
            ``codec.sigma=1,1.5,2``.
        output: the folder of the trials' folders.
        fixed: overrides of the recipe for all trials, as :func:`facekp.training.recipe.load` takes them.
        trials: how many in all, with those of earlier calls; 20, or the whole grid, unless told otherwise.
        sampler: ``"tpe"``: where earlier trials were good (Bergstra et al., "Algorithms for hyper-parameter
            optimization", NeurIPS 2011); ``"random"``; ``"grid"``: every combination, from lists only.
        pruner: ``"median"`` stops a trial whose best value is behind the median of the others at the same
            epoch, after five whole ones; ``"none"`` lets all go to their end.
        storage: the SQLite file of the study, or the URL of another data base; ``output/study.db`` unless told
            otherwise.
        workers: trials that go on at the same time.
        threads: CPU threads of each; 0 leaves one worker's to torch, and shares the cores among several.
        metric: a column of the runs' ``metrics.csv``.
        maximize: whether more is better.
        seed: of the sampler.

    Raises:
        ArgumentError: an argument is out of its choices or its range.
        RecipeError: a key or one of its values is not one of the recipe, the recipe wants several devices, the
            storage holds another search, or the first trials all failed.
        MissingExtraError: optuna is not installed.
    """
    if find_spec("optuna") is None:
        raise MissingExtraError("optuna", "search")
    for name, given, choices in (("sampler", sampler, SAMPLERS), ("pruner", pruner, PRUNERS)):
        if given not in choices:
            raise unknown_name(name, given, choices)
    if workers < 1 or (trials is not None and trials < 1):
        raise ArgumentError(f"search: trials and workers must be at least 1, got {trials} and {workers}")
    axes = [space.parse(text) for text in over]
    base = space.check(recipe, fixed, axes)
    _check_devices(base)
    points = space.grid(axes) if sampler == "grid" else []
    if threads == 0 and workers > 1:
        threads = max(1, (os.cpu_count() or 1) // workers)
    Path(output).mkdir(parents=True, exist_ok=True)
    with _quiet():
        study = _open(storage or Path(output) / "study.db", base.name, maximize)
        _settle(study, base, axes, metric)
        study.sampler = _sampler(sampler, (seed + len(study.get_trials(deepcopy=False))) % 2**32)
        study.pruner = _pruner(pruner)
        for point in points:
            study.enqueue_trial(point, skip_if_exists=True)
        total = min(trials or len(points), len(points)) if points else trials or 20
        Loop(study, axes, recipe, fixed, Path(output), metric, total, workers, threads).go()
        return collect(study, axes, metric, Path(output))


def _check_devices(base: Any) -> None:
    if (getattr(base, "devices", 1), getattr(base, "num_nodes", 1)) != (1, 1):
        raise RecipeError("search: each trial trains on one device: give --set devices=1 --set num_nodes=1")


@contextmanager
def _quiet() -> Iterator[None]:
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _open(storage: str | Path, name: str, maximize: bool) -> optuna.Study:
    import optuna

    local = "://" not in str(storage)
    if local:
        try:
            Path(storage).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArgumentError(f"--storage {storage}: cannot be made ({error.strerror or error})") from None
    url = f"sqlite:///{Path(storage).absolute()}" if local else str(storage)
    direction: Literal["maximize", "minimize"] = "maximize" if maximize else "minimize"
    try:
        study = optuna.create_study(storage=_storage(url), study_name=name, direction=direction, load_if_exists=True)
    except Exception as error:  # noqa: BLE001  (SQLAlchemy's and its drivers' own kinds)
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ArgumentError(f"--storage {storage}: cannot be used ({first})") from None
    if study.direction.name.lower() != direction:
        raise RecipeError(f"--storage {storage}: its study is one to {study.direction.name.lower()}; choose another")
    return study


def _storage(url: str) -> optuna.storages.BaseStorage:
    import optuna

    # Parallel commands wait for each other's writing rather than fail.
    waiting = {"connect_args": {"timeout": 60}} if url.startswith("sqlite:") else None
    return optuna.storages.RDBStorage(url, engine_kwargs=waiting)


def _settle(study: optuna.Study, base: Any, axes: Sequence[space.Axis], metric: str) -> None:
    """What the study is about is written down once, and must be the same later."""
    plain = base.model_dump(mode="json")
    for axis in axes:
        _forget(plain, axis.key)
    settled = {"over": sorted(map(str, axes)), "metric": metric, "recipe": plain}
    for key, value in settled.items():
        before = study.user_attrs.get(key)
        if before is None:
            study.set_user_attr(key, value)
        elif before != value:
            raise RecipeError(
                f"the storage holds a search with another {key}: {_difference(before, value)}; "
                "choose another --output and --storage"
            )


def _forget(values: dict[str, Any], key: str) -> None:
    first, _, rest = key.partition(".")
    if not rest:
        values.pop(first, None)
    elif isinstance(values.get(first), dict):
        _forget(values[first], rest)


def _difference(before: Any, now: Any) -> str:
    if isinstance(before, dict) and isinstance(now, dict):
        key = next(k for k in {**before, **now} if before.get(k) != now.get(k))
        return f"{key}: {before.get(key)}, now {now.get(key)}"
    return f"{before}, now {now}"


def _sampler(name: str, seed: int) -> optuna.samplers.BaseSampler:
    import optuna

    # A grid's points are in the queue: nothing is left to sample.
    if name != "tpe":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, constant_liar=True)


def _pruner(name: str) -> optuna.pruners.BasePruner:
    import optuna

    return optuna.pruners.MedianPruner() if name == "median" else optuna.pruners.NopPruner()
