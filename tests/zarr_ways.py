"""How both kinds of Zarr are written: each version, as a folder and as one file."""

import pytest

Way = tuple[int, str]
"""Version and suffix."""
WAYS: list[Way] = [(version, suffix) for version in (2, 3) for suffix in (".zarr", ".zarr.zip")]


def name_of(way: Way) -> str:
    return f"v{way[0]}{way[1]}"


each_way = pytest.mark.parametrize("way", WAYS, ids=name_of)
