"""Which columns a topic gives: what all its messages have in common."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError
from trajloom.formats.mcap.decoders import Decoder, Described
from trajloom.formats.mcap.log import Log
from trajloom.formats.mcap.records import Channel, Messages

Describe = Callable[[memoryview], Mapping[str, Described]]
MAX_PATHS = 10_000
"""Fields of a topic: each may become a column."""


@dataclass(frozen=True)
class Seen:
    """A field over some messages."""

    dtype: np.dtype | None
    shape: tuple[int, ...]
    always: bool = True
    """Whether every message has it."""
    problem: str | None = None
    """Why it is no column."""


def survey(log: Log, channel: Channel, decoder: Decoder, messages: Messages) -> dict[str, Seen]:
    """Path of each field of a topic -> what its messages have; one message is read where it tells of all."""
    found: dict[str, Seen] = {}
    for i in range(1 if decoder.steady else len(messages.start)):
        now = _seen(decoder.describe, log, channel, messages, i)
        found = now if i == 0 else merged([found, now])
        if len(found) > MAX_PATHS:
            raise DamagedFileError(f"{log.path}: {channel.topic}: more than {MAX_PATHS:,} fields")
    return found


def _seen(describe: Describe, log: Log, channel: Channel, messages: Messages, i: int) -> dict[str, Seen]:
    with naming(log, channel.topic, i):
        described = describe(log.data(messages.chunk[i], messages.start[i], messages.size[i]))
    return {path: _of(value) for path, value in described.items()}


@contextmanager
def naming(log: Log, topic: str, number: int) -> Iterator[None]:
    """Errors raised inside say which message it is."""
    try:
        yield
    except (DamagedFileError, HostileFileError) as error:
        raise type(error)(f"{log.path}: {topic}: message {number}: {error}") from error


def _of(described: Described) -> Seen:
    if isinstance(described, str):
        return Seen(None, (), problem=described)
    return Seen(*described)


def merged(each: Iterable[Mapping[str, Seen]]) -> dict[str, Seen]:
    """Fields of several messages, or files, as one."""
    maps = list(each)
    found: dict[str, Seen] = {}
    for path in {path: None for one in maps for path in one}:
        seen = [one[path] for one in maps if path in one]
        both = seen[0]
        for other in seen[1:]:
            both = _both(both, other)
        always = both.always and len(seen) == len(maps)
        found[path] = Seen(both.dtype, both.shape, always, both.problem)
    return found


def _both(a: Seen, b: Seen) -> Seen:
    always = a.always and b.always
    if a.problem or b.problem:
        return Seen(a.dtype, a.shape, always, a.problem or b.problem)
    if a.shape != b.shape:
        return Seen(a.dtype, a.shape, always, f"its shape changes: {a.shape}, {b.shape}")
    if a.dtype == b.dtype:
        return Seen(a.dtype, a.shape, always)
    assert a.dtype is not None
    assert b.dtype is not None
    if {a.dtype.kind, b.dtype.kind} == {"i", "f"} and {a.dtype.itemsize, b.dtype.itemsize} == {8}:
        return Seen(np.dtype("f8"), a.shape, always)  # JSON writes 1.0 as 1 where it likes
    return Seen(a.dtype, a.shape, always, f"its type changes: {a.dtype}, {b.dtype}")
