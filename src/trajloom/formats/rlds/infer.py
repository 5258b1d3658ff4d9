"""What records hold where no features.json says it: the first record is looked at."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from trajloom.errors import DamagedFileError
from trajloom.formats.rlds.example import Feature
from trajloom.formats.rlds.features import Spec
from trajloom.formats.rlds.proto import tensor

_FLAGS = ("is_first", "is_last", "is_terminal")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG")


def inferred(found: Mapping[str, Feature]) -> list[Spec]:
    """Features of a dataset by its first record: `steps/...` as TFDS lays them out, or one serialized tensor each.

    Shapes of `steps/...` are flat, and whole numbers int64, for the records say no more.
    """
    if any(name.startswith("steps/") for name in found):
        return _of_steps({name: value for name, value in found.items() if value.kind is not None})
    return _of_tensors(found)


def _of_steps(found: Mapping[str, Feature]) -> list[Spec]:
    counts = {name: value.count() for name, value in found.items() if name.startswith("steps/")}
    flags = [counts[f"steps/{flag}"] for flag in _FLAGS if f"steps/{flag}" in counts]
    length = flags[0] if flags else min(counts.values(), default=0)
    return [_of_step(name, found[name], count, length) for name, count in sorted(counts.items())]


def _of_step(name: str, value: Feature, count: int, length: int) -> Spec:
    if "/ragged_" in name or not length or count % length:
        return Spec(name, "string", odd=f"{count} values in {length} steps", in_steps=True)
    if value.kind == "bytes":
        start, stop = value.texts()[0]
        if bytes(value.data[start : min(stop, start + 4)]).startswith(_SIGNATURES):
            return Spec(name, "uint8", (None, None, None), image=True, in_steps=True)
        return Spec(name, "string", in_steps=True)
    flag = name.removeprefix("steps/") in _FLAGS
    dtype = "float32" if value.kind == "float" else "bool" if flag else "int64"
    return Spec(name, dtype, () if count == length else (count // length,), in_steps=True)


def _of_tensors(found: Mapping[str, Feature]) -> list[Spec]:
    tensors = {name: value for name, feature in found.items() if (value := _tensor(name, feature)) is not None}
    firsts = Counter(len(v) for v in tensors.values() if isinstance(v, list) or v.ndim)
    length = firsts.most_common(1)[0][0] if firsts else 0
    return [_of_tensor(name, tensors[name], length) for name in sorted(tensors)]


def _of_tensor(name: str, value: np.ndarray | list[bytes], length: int) -> Spec:
    if isinstance(value, list):
        return Spec(name, "string", in_steps=True)
    if not value.ndim or len(value) != length or 0 in value.shape:
        return Spec(name, "string", odd=f"a tensor of shape {value.shape}")
    return Spec(name, value.dtype.name, value.shape[1:], encoding="proto", in_steps=True)


def _tensor(name: str, feature: Feature) -> np.ndarray | list[bytes] | None:
    if feature.kind != "bytes":
        return None
    texts = feature.texts()
    if len(texts) != 1:
        return None
    try:
        return tensor(feature.data, *texts[0])
    except ValueError as error:
        raise DamagedFileError(f"{name}: {error}") from error
