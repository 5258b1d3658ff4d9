"""Which path a column of a Parquet file has with us: dots and fields of structs become slashes."""

from collections.abc import Iterable
from typing import Any

Leaf = tuple[str, ...]
"""Names of a column and of the fields of structs that lead to its values."""


def paths(leaves: Iterable[Leaf]) -> dict[Leaf, str]:
    """Leaf -> path, each once; the same for the same leaves in the same order.

    `observation.state` and the field `state` of a struct `observation` are both `observation/state`; where two would
    be one, or one would lie within another, the later one keeps its dots or gets a number.
    """
    found: dict[Leaf, str] = {}
    taken: set[str] = set()
    within: set[str] = set()
    for leaf in leaves:
        path = next(p for p in _candidates(leaf) if p not in taken and p not in within and not _parents(p) & taken)
        found[leaf] = path
        taken.add(path)
        within |= _parents(path)
    return found


def _candidates(leaf: Leaf) -> Iterable[str]:
    yield _clean("/".join(leaf).replace(".", "/"))
    raw = ".".join(leaf).replace("/", ".")
    yield raw.strip(".") or "column"
    number = 2
    while True:
        yield f"{raw.strip('.') or 'column'}_{number}"
        number += 1


def _clean(path: str) -> str:
    """Without empty names between slashes, such as those of `a//b` and `/a`."""
    return "/".join(name for name in path.split("/") if name) or "column"


def _parents(path: str) -> set[str]:
    names = path.split("/")
    return {"/".join(names[:i]) for i in range(1, len(names))}


def leaf_of(said: Any) -> Leaf:
    """A leaf, from JSON."""
    return tuple(str(name) for name in said)
