"""Ctrl-C and SIGTERM end a run between two lines, not within one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

__all__ = ["Stop", "stoppable"]


class Stop:
    """Whether a signal has come, and whether it must wait."""

    def __init__(self) -> None:
        self._shielded = False
        self._waiting: int | None = None

    @contextmanager
    def shield(self) -> Iterator[None]:
        """What is done in here is done to its end; the second signal ends it all the same, as a reader may be stuck."""
        self._shielded = True
        try:
            yield
        finally:
            self._shielded = False
        if self._waiting is not None:
            _raise(self._waiting)

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if self._shielded and self._waiting is None:
            self._waiting = number
        else:
            _raise(number)


def _raise(number: int) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + number)  # as a shell tells what ended a process


@contextmanager
def stoppable() -> Iterator[Stop]:
    """SIGINT raises KeyboardInterrupt and SIGTERM SystemExit, but not within :meth:`Stop.shield`."""
    stop = Stop()
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) != signal.SIG_IGN:  # a shell's background jobs ignore Ctrl-C
                before[number] = signal.signal(number, stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
