"""Episodes that are there twice."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.check.checks import Check
from trajloom.check.rows import Rows, step_columns
from trajloom.findings import Finding
from trajloom.schema import Header
from trajloom.tables import Rest, to_numpy

DRIVEN = ("actions", "states")
OWN = ("success", "task", "model", "attrs")
NUMBER = "trajloom_episode_index"
"""Attribute that says which episode an exported one was, so that two never agree in it."""


class Duplicates(Check):
    """Compares digests: of actions and states (of all steps, where there are no states), and of everything."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._columns = [column.name for column in step_columns(header)]
        self._driven = DRIVEN if set(DRIVEN) <= set(self._columns) else tuple(self._columns)
        self._episode: int | None = None
        self._open: dict[str, Any] = {}
        """Column -> hash of the episode that is being read."""
        self._digests: dict[int, tuple[bytes, bytes]] = {}
        """Episode of this part -> digests of what drove it and of all steps."""
        self._more: dict[int, list[bytes]] = {}
        """Episode of this part -> digests of what it has beside its steps."""
        self._first: dict[bytes, dict[bytes, str]] = {}
        """Digest of what drove an episode -> digest of everything -> the first episode that has them."""
        self._alike: list[tuple[str, str]] = []
        self._exact: list[tuple[str, str]] = []

    def begin_part(self, episodes: pa.Table) -> None:
        for number, row in enumerate(episodes.select([*OWN, "episode_index"]).to_pylist()):
            index, row["attrs"] = row.pop("episode_index"), _attributes(row["attrs"])
            self._more[index] = [_digest(json.dumps(row, sort_keys=True).encode())]
            for column in self.header.episodes:
                value = episodes.column(column.name).slice(number, 1)
                self._more[index].append(b"" if value.null_count else _digest(to_numpy(value, column).tobytes()))

    def steps(self, rows: Rows) -> None:
        for index, a, b in rows.spans:
            if index != self._episode:
                self._close()
                self._episode = index
            for name in self._columns:
                values = rows.between(name, a, b)
                if len(values):
                    self._open.setdefault(name, _hash()).update(np.ascontiguousarray(values).data)

    def _close(self) -> None:
        if self._episode is not None:
            found = {name: one.digest() for name, one in sorted(self._open.items())}
            driven = {name: digest for name, digest in found.items() if name in self._driven}
            self._digests[self._episode] = _digest(repr(driven).encode()), _digest(repr(found).encode())
        self._episode, self._open = None, {}

    def rest(self, row: Rest) -> None:
        if row.episode_index is not None:
            about = json.dumps([row.path, row.dtype, row.shape, row.attrs], sort_keys=True).encode()
            self._more.setdefault(row.episode_index, []).append(_digest(about + b"\0" + (row.data or b"")))

    def end_part(self, whole: bool = True) -> None:
        self._close()
        for index, (driven, steps) in self._digests.items() if whole else ():
            self._compare(index, driven, _digest(steps + b"".join(self._more.get(index, ()))))
        self._digests, self._more = {}, {}

    def _compare(self, index: int, driven: bytes, whole: bytes) -> None:
        name, known = self.names.get(index, f"episode {index}"), self._first.setdefault(driven, {})
        if whole in known:
            self._exact.append((name, known[whole]))
            self.superfluous.append(index)
        elif known:
            self._alike.append((name, next(iter(known.values()))))
        known.setdefault(whole, name)

    def findings(self) -> Iterator[Finding]:
        for pairs, how in ((self._exact, "equal others in everything"), (self._alike, self._how())):
            if pairs:
                name, other = pairs[0]
                yield Finding(
                    severity="warning", code="duplicate", what=f"{len(pairs)} episodes {how} (the first: {other})",
                    episode=name, fixable=pairs is self._exact,
                )  # fmt: skip

    def _how(self) -> str:
        what = "actions and states" if self._driven == DRIVEN else "all steps"
        return f"equal others in {what}, but not in everything"


def _hash() -> Any:
    return hashlib.blake2b(digest_size=16)


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()


def _attributes(text: str) -> dict[str, Any]:
    attrs = json.loads(text or "{}")
    attrs.get("", {}).pop(NUMBER, None)
    return attrs


CHECK = Duplicates
