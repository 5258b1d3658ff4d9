"""What the doctor asks of demonstrations in Zarr."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from trajloom.findings import Finding
from trajloom.formats import Source
from trajloom.formats._view import PartView, View
from trajloom.formats._zarr.doctoring import absent_chunks, counted, stale_counts, stale_metadata
from trajloom.formats._zarr.nodes import walk
from trajloom.formats._zarr.tree import open_tree
from trajloom.formats.zarr_demos.scan import Scan, scan


def findings(path: str) -> Iterator[Finding]:
    """Totals, lengths, rates and metadata at the root that are stale, and chunks that are not there."""
    tree = open_tree(path)
    hierarchy, found = walk(tree), scan(tree, "skip")
    data, root = hierarchy.nodes["data"].attrs or {}, hierarchy.nodes[""].attrs or {}
    yield from stale_counts(root, "data", data, int(found.lengths.sum()), found.own.get("success", ()))
    yield from stale_metadata(tree, hierarchy)
    yield from _wrong_lengths(found)
    for demo in found.demos:
        said = list(absent_chunks(tree, demo.arrays, demo.name))
        for what in said[:1]:
            more = f"; and {len(said) - 1} more arrays" if len(said) > 1 else ""
            yield Finding(severity="warning", code="absent_chunks", what=what + more, episode=demo.name)


def _wrong_lengths(found: Scan) -> Iterator[Finding]:
    members = zip(found.demos, found.lengths.tolist(), strict=True)
    wrong = [(d, n) for d, n in members if "num_samples" in d.attrs and d.attrs["num_samples"] != n]
    if wrong:
        demo, length = wrong[0]
        what = (
            f"num_samples is wrong in {len(wrong)} of {len(found.demos)} demonstrations: that of {demo.name} says "
            f"{demo.attrs['num_samples']!r}, and its arrays have {length} rows"
        )
        yield Finding(severity="warning", code="wrong_length", what=what, episode=demo.name, fixable=True)


def repaired(source: Source) -> Source:
    """A dataset that came from demonstrations in Zarr, with right counts and a right success rate."""
    return View(source, counted(source, "data"), CountedPart)


@dataclass(frozen=True)
class CountedPart(PartView):
    """A part whose episodes say how long they are, where they said it. Implements `formats.Part`."""

    def episodes(self) -> pa.Table:
        table = self.part.episodes()
        rows = zip(*(table.column(name).to_pylist() for name in ("attrs", "length")), strict=True)
        attrs = pa.array([_counted(text, length) for text, length in rows], type=pa.string())
        at = table.schema.get_field_index("attrs")
        return table.set_column(at, table.schema.field(at), attrs)


def _counted(text: str, length: int) -> str:
    attrs = json.loads(text or "{}")
    own = attrs.get("", {})
    if own.get("num_samples", {}).get("value", length) == length:
        return text
    return json.dumps({**attrs, "": {**own, "num_samples": {"dtype": "<i8", "value": length}}})
