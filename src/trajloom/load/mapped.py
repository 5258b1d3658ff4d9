"""Files of numbers, mapped into memory: what is used of them comes from the disk as it is used."""

import mmap
import os
from pathlib import Path

import numpy as np

from trajloom.tables import Array


def mapped(path: Path, dtype: str) -> Array:
    """(N,). A file's values, read-only."""
    size = os.path.getsize(path)
    if not size:
        return np.empty(0, dtype)
    with open(path, "rb") as file:
        found = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ)
    if size > _memory() // 2 and hasattr(mmap, "MADV_RANDOM"):
        # what is read ahead would push out of memory what the next batches need
        found.madvise(mmap.MADV_RANDOM)
    return np.frombuffer(found, dtype)


def _memory() -> int:
    """Bytes of the machine's memory."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return 8 << 30
