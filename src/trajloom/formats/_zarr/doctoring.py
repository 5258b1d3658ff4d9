"""What the doctor asks of any Zarr hierarchy of episodes: counts, rates and repeated metadata that are stale."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trajloom.findings import Finding
from trajloom.formats import Source
from trajloom.formats._zarr.arrays import absent_files
from trajloom.formats._zarr.facts import rate_of
from trajloom.formats._zarr.nodes import Hierarchy, Node
from trajloom.formats._zarr.tree import Tree
from trajloom.schema import Header

Typed = dict[str, Any]


def stale_counts(
    root: Mapping[str, Any], owner: str, attrs: Mapping[str, Any], steps: int, success: Sequence[bool | None]
) -> Iterator[Finding]:
    """A `total` and a `success_rate` that the episodes do not bear out.

    Args:
        root: Attributes of the root, where `success_rate` is.
        owner: The group that has `total`.
        attrs: Its attributes.
        steps: How many there are.
        success: Of each episode; empty where none says.
    """
    if "total" in attrs and attrs["total"] != steps:
        what = f"{owner}'s attribute total says {attrs['total']!r}; there are {steps} steps"
        yield Finding(severity="warning", code="wrong_total", what=what, fixable=True)
    if "success_rate" in root and not _is_rate(root["success_rate"], rate_of(success)):
        known = rate_of(success)
        said = "no episode says whether it succeeded" if known is None else f"the episodes say {known:.6g}"
        what = f"the attribute success_rate says {root['success_rate']!r}; {said}"
        yield Finding(severity="warning", code="stale_success_rate", what=what, fixable=True)


def _is_rate(said: Any, known: float | None) -> bool:
    if known is None or said is None or isinstance(said, bool) or not isinstance(said, int | float):
        return said is None and known is None
    return abs(said - known) <= 1e-6


def stale_metadata(tree: Tree, found: Hierarchy) -> Iterator[Finding]:
    """Metadata repeated at the root that names other arrays, or other shapes, than there are."""
    repeated = _repeated(tree)
    if repeated is None:
        return
    there = {path: node.meta.get("shape") for path, node in found.nodes.items() if path}
    lacking, gone = sorted(there.keys() - repeated.keys()), sorted(repeated.keys() - there.keys())
    other = sorted(p for p in there.keys() & repeated.keys() if there[p] != repeated[p])
    said = {"lacks": lacking, "has what is gone:": gone, "has another shape of": other}
    wrong = [f"{how} {', '.join(paths[:3])}{', ...' if len(paths) > 3 else ''}" for how, paths in said.items() if paths]
    if wrong:
        what = f"the metadata repeated at the root is stale: it {'; it '.join(wrong)}"
        yield Finding(severity="warning", code="stale_metadata", what=what, fixable=True)


def _repeated(tree: Tree) -> dict[str, Any] | None:
    """Path -> shape (None for a group) as the root repeats it; None where it repeats nothing."""
    try:
        if (data := tree.read(".zmetadata")) is not None:
            files: dict[str, Any] = json.loads(data)["metadata"]
            nodes = {k.rpartition("/")[0]: v for k, v in files.items() if k.endswith((".zarray", ".zgroup"))}
        else:
            about = json.loads(tree.read("zarr.json") or b"{}").get("consolidated_metadata")
            if about is None:
                return None
            nodes = about["metadata"]
        return {path: node.get("shape") for path, node in nodes.items() if path}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def absent_chunks(tree: Tree, nodes: Mapping[str, Node], owner: str | None = None) -> Iterator[str]:
    """Arrays some of whose files are not there, in words; those read as the array's fill value."""
    for path, node in nodes.items():
        if absent := absent_files(tree, node):
            where = path if owner is None else f"{owner}/{path}"
            yield f"{where}: {absent:,} of {node.chunk_count():,} files are absent; they read as its fill value"


def counted(source: Source, owner: str) -> Header:
    """The header of a dataset that came from a hierarchy, with a right `total` and `success_rate`."""
    header = source.header
    attrs: dict[str, dict[str, Typed]] = {path: dict(found) for path, found in header.attrs.items()}
    if "total" in attrs.get(owner, {}):
        attrs[owner]["total"] = {"dtype": "<i8", "value": sum(part.num_steps for part in source.parts())}
    if "success_rate" in attrs.get("/", {}):
        success = [v for part in source.parts() for v in part.episodes().column("success").to_pylist()]
        rate = rate_of(success)
        attrs["/"]["success_rate"] = {"dtype": "json" if rate is None else "<f8", "value": rate}
    return header.with_(attrs=attrs)
