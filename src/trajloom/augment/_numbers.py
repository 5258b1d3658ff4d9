"""What a header says by number of episode, where those get new numbers."""

from collections.abc import Mapping
from typing import Any

from trajloom.schema import Header

RANGE = "episode_range"


def renumbered(header: Header, factor: int | None = None) -> Header:
    """The header of a dataset whose episode k became episodes `factor * k` and following; None: it is not yet known.

    Which episodes came from which source is then known no more, and nothing is hidden as made too late.
    """
    if factor == 1:
        return header
    sources = tuple(_renumbered(source, factor) for source in header.sources)
    return header.with_(sources=sources, attempts_end=None)


def _renumbered(source: Mapping[str, Any], factor: int | None) -> dict[str, Any]:
    kept = {key: value for key, value in source.items() if key != RANGE}
    if RANGE in source and factor is not None:
        kept[RANGE] = [number * factor for number in source[RANGE]]
    return kept
