"""What tells one ingestion from another, so that the same call goes on and another is refused."""

import functools
import hashlib
import types
from collections.abc import Mapping
from typing import Any

import numpy as np

from trajloom.ingest.adapters import Adapter
from trajloom.ingest.config import IngestionConfig
from trajloom.ingest.interface import DataIngestionInterface
from trajloom.ingest.values import plain

SAMPLE = 1 << 16
"""Bytes at either end of an array that count."""
ENDS = 5
"""Members at either end of a long list that count."""
DEPTH = 8


def identity(ingester: DataIngestionInterface, config: IngestionConfig) -> dict[str, Any]:
    """Settings as JSON values, and digests of the source's code and of the data that it holds.

    Data are looked at here and there; what an iterator will give is not known.
    """
    found = {"source": type(ingester).__qualname__, **config.identity()}
    parts = vars(ingester)
    if isinstance(ingester, Adapter):
        found["group_size"] = ingester.group_size
    named = {name: value for name, value in parts.items() if name != "group_size"}
    found |= {f"source.{name}": _short(value) for name, value in named.items() if value is not None}
    if not type(ingester).__module__.startswith("trajloom."):
        found["source.code"] = _short(type(ingester))
    return found


def _short(value: Any) -> str | int | float:
    if isinstance(value, str | int | float):
        return value
    digest = hashlib.sha256()
    _digest(value, digest, DEPTH, set())
    return f"{getattr(value, '__qualname__', type(value).__qualname__)} {digest.hexdigest()[:12]}"


def _digest(value: Any, digest: Any, depth: int, seen: set[int]) -> None:
    """Feed a digest with all of a value that is the same in every process."""
    if depth == 0 or id(value) in seen:
        return
    digest.update(type(value).__qualname__.encode())
    if value is None or isinstance(value, str | int | float | complex | np.generic | range):
        digest.update(repr(value).encode())
    elif isinstance(value, bytes):
        digest.update(value[:SAMPLE] + value[-SAMPLE:])
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        flat = value.reshape(-1)
        most = max(1, SAMPLE // max(value.itemsize, 1))
        digest.update(f"{value.dtype.str}{value.shape}".encode() + flat[:most].tobytes() + flat[-most:].tobytes())
    else:
        for part in _parts(value):
            _digest(part, digest, depth - 1, seen | {id(value)})


def _parts(value: Any) -> list[Any]:
    """The parts of a value that tell it from others."""
    if isinstance(value, types.CodeType):
        return [value.co_code, list(value.co_names), [c for c in value.co_consts if not isinstance(c, frozenset)]]
    if isinstance(value, types.FunctionType):
        cells = [cell.cell_contents for cell in value.__closure__ or () if _filled(cell)]
        return [value.__code__, value.__defaults__, cells]
    if isinstance(value, types.MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, type):
        return [member for _, member in sorted(vars(value).items()) if isinstance(member, types.FunctionType)]
    if isinstance(value, Mapping):
        return [*map(str, value), *value.values()]
    if isinstance(value, list | tuple):
        return list(value) if len(value) <= 2 * ENDS else [len(value), *value[:ENDS], *value[-ENDS:]]
    if isinstance(value, types.ModuleType):
        return [value.__name__]
    if callable(getattr(value, "detach", None)) and hasattr(value, "numpy"):
        return [plain(value)]
    return [getattr(value, "__dict__", None)]


def _filled(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
