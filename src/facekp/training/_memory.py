"""Memory that training on a CPU frees, and needs again at the next step."""

from __future__ import annotations

import ctypes
import logging
import platform

__all__ = ["keep_memory"]

log = logging.getLogger(__name__)

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # of malloc.h


def keep_memory() -> bool:
    """Let glibc keep freed blocks for the next step instead of handing them back to the system.

    Large blocks are otherwise mapped and unmapped at every step, and each new page is zeroed by the system.

    Returns:
        Whether this could be set: on Linux with glibc.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    done = bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, 1 << 30))
    log.debug("glibc keeps freed memory: %s", done)
    return done
