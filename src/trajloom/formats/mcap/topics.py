"""The topics of a file: their messages by time, and their fields."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from trajloom.errors import DamagedFileError, HostileFileError, SchemaError
from trajloom.formats.mcap.decoders import Decoder, decoder_of
from trajloom.formats.mcap.log import Log
from trajloom.formats.mcap.records import Channel, Index, Messages, as_times
from trajloom.formats.mcap.survey import Seen, naming, survey
from trajloom.tables import Array


@dataclass(frozen=True)
class Topic:
    """The messages of a topic, by time."""

    name: str
    schema: str
    decoder: Decoder
    where: Array
    """(n, 3) int64: chunk, start and size of each message; see `records.Messages`."""
    times: Array
    """(n,) int64, ns, rising."""
    fields: Mapping[str, Seen]

    def read(self, log: Log, messages: Array, wanted: Mapping[str, Seen]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Values of fields in some messages, (m, *shape) each, and where they lack them, (m,) bool.

        Args:
            log: The file.
            messages: (m,) int64. Numbers of the messages.
            wanted: Path of a field -> element type and shape that its values are to have.
        """
        values = {path: np.zeros((len(messages), *seen.shape), seen.dtype) for path, seen in wanted.items()}
        lacking = {path: np.zeros(len(messages), bool) for path in wanted}
        for row, number in enumerate(messages.tolist()):
            chunk, start, size = self.where[number].tolist()
            with naming(log, self.name, number):
                found = self.decoder.values(log.data(chunk, start, size))
                for path, seen in wanted.items():
                    value = found.get(path)
                    if value is None:
                        lacking[path][row] = True
                    elif isinstance(value, str) or value.shape != seen.shape:
                        raise DamagedFileError(f"{path or 'the image'} is not of shape {seen.shape} any more")
                    else:
                        values[path][row] = value
        return values, lacking


@dataclass
class LogFile:
    """One file, its messages indexed."""

    log: Log
    topics: dict[str, Topic] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    """What is left out of it."""


def open_file(path: str, time: str) -> LogFile:
    """Index a file and look through its messages."""
    log = Log(path)
    index = log.index()
    file = LogFile(log)
    if index.others:
        file.said.append("left out: " + ", ".join(f"{n:,} {kind}" for kind, n in sorted(index.others.items())))
    for name, ids in sorted(_by_topic(index).items()):
        _add(file, index, name, ids, time)
    log.release()
    return file


def _by_topic(index: Index) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for number in index.messages:
        topics.setdefault(index.channels[number].topic, []).append(number)
    return topics


def _add(file: LogFile, index: Index, name: str, ids: Sequence[int], time: str) -> None:
    first = index.channels[ids[0]]
    alike = [number for number in ids if index.channels[number] == first]
    if len(alike) < len(ids):
        file.said.append(f"{name}: left out: messages of {len(ids) - len(alike)} publishers with another definition")
    try:
        decoder = decoder_of(first)
    except SchemaError as error:
        file.said.append(f"{name}: left out: {error}")
        return
    file.topics[name] = _topic(file.log, first, decoder, [index.messages[number] for number in alike], time)


def _topic(log: Log, channel: Channel, decoder: Decoder, messages: Sequence[Messages], time: str) -> Topic:
    joined = Messages()
    for one in messages:
        for attr in ("chunk", "start", "size", "log_time", "publish_time"):
            getattr(joined, attr).extend(getattr(one, attr))
    times = as_times(getattr(joined, f"{time}_time"), f"{log.path}: {channel.topic}")
    order = np.argsort(times, kind="stable")
    where = np.stack([np.frombuffer(a, np.int64) for a in (joined.chunk, joined.start, joined.size)], axis=1)
    fields = survey(log, channel, decoder, joined)
    return Topic(channel.topic, channel.schema_name, decoder, where[order], times[order], fields)


UNREADABLE = (DamagedFileError, HostileFileError)
"""What makes a file one that `on_error="skip"` leaves out."""
