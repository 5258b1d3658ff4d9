"""What the doctor asks of a replay buffer."""

import re
from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.formats import Source
from trajloom.formats._view import View
from trajloom.formats._zarr.doctoring import counted, stale_counts, stale_metadata
from trajloom.formats._zarr.nodes import walk
from trajloom.formats._zarr.tree import open_tree
from trajloom.formats.zarr.scan import scan
from trajloom.schema import Header

_NUMBERED = re.compile(r"(?:seed|success)_(\d{1,18})")


def findings(path: str) -> Iterator[Finding]:
    """Totals, rates and metadata at the root that are stale, and facts of episodes that are not there."""
    tree = open_tree(path)
    hierarchy, found = walk(tree), scan(tree)
    meta = hierarchy.nodes["meta"].attrs or {} if "meta" in hierarchy.nodes else {}
    root = hierarchy.nodes[""].attrs or {}
    steps, episodes = int(found.lengths.sum()), len(found.lengths)
    yield from stale_counts(root, "meta", meta, steps, found.own.get("success", ()))
    yield from stale_metadata(tree, hierarchy)
    gone = sorted(name for name in meta if _is_beyond(name, episodes))
    if gone:
        what = f"meta has attributes of episodes that are not there: {', '.join(gone[:5])}"
        yield Finding(severity="warning", code="unknown_episodes", what=what, fixable=True)


def _is_beyond(name: str, episodes: int) -> bool:
    number = _NUMBERED.fullmatch(name)
    return number is not None and int(number[1]) >= episodes


def repaired(source: Source) -> Source:
    """A dataset that came from a replay buffer, with right counts, and facts of its own episodes alone."""
    header, episodes = counted(source, "meta"), sum(part.num_episodes for part in source.parts())
    return View(source, _without_unknown(header, episodes), lambda part: part)


def _without_unknown(header: Header, episodes: int) -> Header:
    meta = {name: attr for name, attr in header.attrs.get("meta", {}).items() if not _is_beyond(name, episodes)}
    return header.with_(attrs={**header.attrs, **({"meta": meta} if "meta" in header.attrs else {})})
