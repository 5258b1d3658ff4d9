"""Damage that HDF5's own library never comes back from, found before the library sees it.

Text of variable length lies in heap collections: `GCOL`, version, size, then objects (index, references, size); the
last, of index 0, is free space. Where one of index 0 says size 0, the library's loop never ends (HDF5 1.14 and 2.0).
"""

import mmap
import os
import struct
from collections.abc import Iterator

MAGIC = b"GCOL\x01\0\0\0"
OBJECT = struct.Struct("<HHIQ")
HEAD = 16
MAX_FILE_BYTES = 1 << 30
"""Larger files are not looked through, which would take seconds."""
MIN_KEPT_BYTES = 16 << 20
"""Smaller files are looked through each time: that takes less than what their time of change is counted in."""
MAX_KEPT = 64

_sound: dict[tuple[int, int, int, int], None] = {}
"""Device, number, size and time of files that were looked through and hold none: a file is opened several times, as
this and as that layout."""


def has_endless_heap(descriptor: int) -> bool:
    """Whether an open file holds a heap collection that the library would read for ever."""
    stat = os.fstat(descriptor)
    file = (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns)
    if not HEAD < stat.st_size <= MAX_FILE_BYTES or file in _sound:
        return False
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as data:
        if any(_is_endless(data, at) for at in _collections(data)):
            return True
    if stat.st_size >= MIN_KEPT_BYTES:
        if len(_sound) >= MAX_KEPT:
            _sound.clear()
        _sound[file] = None
    return False


def _collections(data: mmap.mmap) -> Iterator[int]:
    at = data.find(MAGIC)
    while at >= 0:
        yield at
        at = data.find(MAGIC, at + 1)


def _is_endless(data: mmap.mmap, at: int) -> bool:
    (size,) = struct.unpack_from("<Q", data, at + 8) if at + HEAD <= len(data) else (0,)
    end, place = min(at + size, len(data)), at + HEAD
    while place + OBJECT.size <= end:
        index, _, _, nbytes = OBJECT.unpack_from(data, place)
        if index == 0 and nbytes == 0:
            return True
        # free space counts its own head; behind too little of it comes what the library takes for more objects
        place += nbytes if index == 0 else OBJECT.size + -(-nbytes // 8) * 8
    return False
