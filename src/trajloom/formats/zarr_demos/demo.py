"""One demonstration of a hierarchy: its arrays, how long it is, and where it stands among the others."""

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from trajloom.errors import DamagedFileError
from trajloom.formats._zarr.nodes import Node
from trajloom.tables import Array


@dataclass
class Demo:
    """One demonstration."""

    name: str
    nodes: dict[str, Node]
    """By path from the demonstration; "" is its own group."""

    @property
    def attrs(self) -> dict[str, Any]:
        return self.nodes[""].attrs or {}

    @property
    def arrays(self) -> dict[str, Node]:
        return {path: node for path, node in self.nodes.items() if node.is_array}


def rank(name: str) -> tuple[Any, ...]:
    """Sorts demo_10 after demo_2."""
    number = re.search(r"(\d{1,18})$", name)
    return (name[: number.start()], int(number[1]), name) if number else (name, -1, name)


def lengths_of(where: str, demos: list[Demo], once: Callable[[str], bool]) -> Array:
    """Steps of each demonstration: rows of its actions, else of its states, else what it says, else the commonest.

    Arrays at paths of which `once` says that they are one a demonstration say nothing of how long it is.
    """
    lengths = np.zeros(len(demos), dtype=np.int64)
    for i, demo in enumerate(demos):
        arrays = {path: node.shape[0] for path, node in demo.arrays.items() if node.shape and not once(path)}
        leader = next((arrays[name] for name in ("actions", "action", "states") if name in arrays), None)
        said = demo.attrs.get("num_samples")
        if leader is None and type(said) is int and said in (arrays.values() or [said]) and said >= 0:
            leader = said
        if leader is None and arrays:
            leader = Counter(arrays.values()).most_common(1)[0][0]
        lengths[i] = leader or 0
    if len(lengths) and float(lengths.astype(float).sum()) > 1 << 62:
        raise DamagedFileError(f"{where}: the demonstrations say that they have {float(lengths.sum()):.3g} steps")
    return lengths
