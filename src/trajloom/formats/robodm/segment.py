"""How long a Matroska file says that it is, of which FFmpeg does not care.

Source:
    RFC 8794 (EBML), RFC 9559 (Matroska).
"""

import os

from trajloom.errors import DamagedFileError
from trajloom.formats._place import local_file

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def declared_end(path: str) -> tuple[int | None, int]:
    """Where a file should end, and where it does; None where it does not say, as when its writer was killed.

    Raises:
        DamagedFileError: It does not begin as Matroska does.
    """
    with open(local_file(path), "rb") as file:
        head, size = file.read(1 << 12), os.fstat(file.fileno()).st_size
    after, length = _sized(head, 0, EBML, path)
    if length is None:
        raise DamagedFileError(f"{path}: its header does not say how long it is")
    begin, length = _sized(head, after + length, SEGMENT, path)
    return None if length is None else begin + length, size


def _sized(data: bytes, at: int, wanted: bytes, path: str) -> tuple[int, int | None]:
    """Where an element's content begins, and its length; None where it is unknown."""
    first = data[at + len(wanted)] if len(data) > at + len(wanted) else 0
    width = 9 - first.bit_length()
    number = data[at + len(wanted) : at + len(wanted) + width]
    if data[at : at + len(wanted)] != wanted or width > 8 or len(number) < width:
        raise DamagedFileError(f"{path}: it does not begin as Matroska does")
    value = int.from_bytes(number) - (1 << 7 * width)
    return at + len(wanted) + width, None if value == (1 << 7 * width) - 1 else value


def check_whole(path: str) -> None:
    """Raise DamagedFileError where a file ends before it should; its last values would be missing without a word."""
    wanted, size = declared_end(path)
    if wanted is not None and wanted > size:
        raise DamagedFileError(f"{path} is cut short: {size:,} of {wanted:,} bytes")
