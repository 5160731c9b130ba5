"""What a process that reads a million parcels does about its memory: few pools, and what is free goes back to the system."""

from __future__ import annotations

import ctypes
import gc

import pyarrow as pa

_GARBAGE_AFTER = 100_000
_M_ARENA_MAX = -8
_ARENAS = 2


def settle_in() -> None:
    """For a process that stays: once its libraries are loaded, before its first import.

    Polygons come and go by the hundred thousand; left alone, Python looks through all that the libraries brought with them each
    time, for a tenth of an import's time, and every thread and Arrow keep pools of free memory of their own, for a fifth of
    its memory.
    """
    gc.freeze()
    gc.set_threshold(_GARBAGE_AFTER, 20, 50)
    pa.set_memory_pool(pa.system_memory_pool())
    _libc("mallopt", _M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Free memory goes back to the system: after the batches, before the work on all rows together."""
    _libc("malloc_trim", 0)


def _libc(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)  # glibc has them, others need them less
    if function is not None:
        function(*arguments)


__all__ = ["give_back", "settle_in"]
