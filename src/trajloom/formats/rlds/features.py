"""features.json: what a dataset of TFDS holds, name by name."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from trajloom.errors import DamagedFileError, HostileFileError, LayoutError
from trajloom.schema import ELEMENT_TYPES

FILE = "features.json"
MAX_ROW_BYTES = 1 << 28
"""What a row of one feature may take in memory."""
_MAX_DEPTH = 32


@dataclass(frozen=True)
class Spec:
    """One feature of a step, or of an episode."""

    name: str
    """As in the records: `steps/observation/image_0`."""
    dtype: str
    """One of ELEMENT_TYPES, or "string"."""
    shape: tuple[int | None, ...] = ()
    """None where a dimension is not fixed."""
    image: bool = False
    encoding: str = "none"
    """How a tensor lies: "none" as a list of numbers, "bytes", "zlib", or "proto", a TensorProto of all steps."""
    odd: str | None = None
    """Why it can be no column."""
    in_steps: bool = False
    """Whether it has a value each step; else it has one each episode."""

    @property
    def is_column(self) -> bool:
        """Whether it is a column of `steps`."""
        return self.in_steps and self.odd is None and self.dtype != "string"


def read_specs(data: bytes, where: str) -> list[Spec]:
    """The features of an RLDS dataset.

    Raises:
        LayoutError: It is a dataset of TFDS, but none of episodes.
        DamagedFileError: It is no description of features.
        HostileFileError: Absurd shapes, or nesting beyond reason.
    """
    try:
        tree = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{where} is no JSON ({error})") from error
    try:
        specs = list(_specs(tree, "", 0, where))
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        if isinstance(error, HostileFileError):
            raise
        raise DamagedFileError(f"{where} describes no features of TFDS ({error!r})") from error
    if not any(spec.in_steps for spec in specs):
        raise LayoutError(f"{where} has no feature `steps`: a dataset of TFDS, but not of episodes (RLDS)")
    return specs


def _specs(tree: Mapping[str, Any], name: str, depth: int, where: str) -> Iterator[Spec]:
    if depth > _MAX_DEPTH:
        raise HostileFileError(f"{where}: features nested more than {_MAX_DEPTH} deep")
    if "featuresDict" in tree:
        for key, inner in tree["featuresDict"]["features"].items():
            yield from _specs(inner, f"{name}/{key}" if name else key, depth + 1, where)
    elif "sequence" in tree and name == "steps":
        yield from _specs(tree["sequence"]["feature"], name, depth + 1, where)
    elif "sequence" in tree:
        length = int(tree["sequence"].get("length", -1))
        for spec in _specs(tree["sequence"]["feature"], name, depth + 1, where):
            yield _repeated(spec, length if length >= 0 else None, where)
    else:
        yield _checked(replace(_leaf(tree, name), in_steps=name.startswith("steps/")), where)


def _repeated(spec: Spec, length: int | None, where: str) -> Spec:
    odd = spec.odd or ("an image in a sequence" if spec.image else None)
    return _checked(replace(spec, shape=(length, *spec.shape), odd=odd), where)


def _leaf(tree: Mapping[str, Any], name: str) -> Spec:
    if "text" in tree:
        return Spec(name, "string")
    if "classLabel" in tree:
        return Spec(name, "int64")
    if "image" in tree:
        found = tree["image"]
        return Spec(name, found.get("dtype") or "uint8", _shape(found), image=True)
    if "tensor" in tree:
        found = tree["tensor"]
        return Spec(name, _dtype(found.get("dtype", "")), _shape(found), encoding=found.get("encoding") or "none")
    return Spec(name, "string", odd=f"a feature of kind {tree.get('pythonClassName', 'unknown')}")


def _dtype(found: str) -> str:
    return {"bfloat16": "float32", "object": "string"}.get(found, found)


def _shape(found: Mapping[str, Any]) -> tuple[int | None, ...]:
    sizes = [int(n) for n in found.get("shape", {}).get("dimensions", ())]
    return tuple(n if n >= 0 else None for n in sizes)


def _checked(spec: Spec, where: str) -> Spec:
    if math.prod(n for n in spec.shape if n) * 8 > MAX_ROW_BYTES:
        raise HostileFileError(f"{where}: {spec.name} has shape {spec.shape}, more than {MAX_ROW_BYTES >> 20} MB a row")
    return spec if spec.odd else replace(spec, odd=_odd(spec))


def _odd(spec: Spec) -> str | None:
    if spec.dtype == "string":
        return None
    if spec.dtype not in ELEMENT_TYPES:
        return f"element type {spec.dtype}"
    if spec.image:
        pixels = spec.dtype in ("uint8", "uint16", "float32")
        fits = pixels and len(spec.shape) == 3 and spec.shape[2] in (None, 1, 3, 4)
        return None if fits else f"images of shape {spec.shape} and element type {spec.dtype}"
    if None in spec.shape or 0 in spec.shape:
        return f"shape {spec.shape}"
    return None if spec.encoding in ("none", "bytes", "zlib", "proto") else f"encoding {spec.encoding}"
