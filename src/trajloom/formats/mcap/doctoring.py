"""What the doctor asks of MCAP: whether a log's summary and checksums say what is in it.

Players trust the summary at the end: a message that it does not count is one that they may not show.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from trajloom.errors import DamagedFileError, HostileFileError
from trajloom.findings import Finding
from trajloom.formats.mcap.files import MAGIC, files_of
from trajloom.formats.mcap.log import Log
from trajloom.formats.mcap.records import CHUNK, DATA_END, Index, records

FOOTER, CHUNK_INDEX, STATISTICS = 2, 8, 11
"""Opcodes of records."""
HEAD = 9
"""Bytes of a record before its content."""
_STATISTICS = struct.Struct("<QHIIIIQQI")
"""Messages, schemas, channels, attachments, metadata, chunks, first and last time, bytes of counts by channel."""
_FOOTER = struct.Struct("<QQI")
_COUNT = struct.Struct("<HQ")


def findings(path: str) -> Iterator[Finding]:
    """What summaries and checksums of logs get wrong; reads every byte once."""
    for file in files_of(path):
        log = Log(file)
        try:
            index = log.index()
        except (DamagedFileError, HostileFileError):
            continue  # the reader leaves it out, and says so
        yield from _of_log(log, index, file.rstrip("/").rpartition("/")[2].removesuffix(".mcap"))
        log.release()


@dataclass
class Tail:
    """What comes after the messages."""

    statistics: Any = None
    by_channel: dict[int, int] = field(default_factory=dict)
    chunks: list[int] = field(default_factory=list)
    """Where the chunks that the summary lists begin."""
    footer: Any = None
    ends: bool = False
    """Whether the file ends as MCAP does."""


def _of_log(log: Log, index: Index, episode: str) -> Iterator[Finding]:
    def finding(code: str, what: str) -> Finding:
        return Finding(severity="warning", code=code, what=f"{log.path}: {what}", episode=episode)

    positions, wrong, end = _chunks(log)
    if wrong:
        said = f"{len(wrong)} of {len(positions)} chunks are not what their checksum says, the first at byte {wrong[0]}"
        yield finding("wrong_checksum", said)
    (said,) = struct.unpack_from("<I", log.view, end - 4)
    if said and zlib.crc32(log.view[: end - 4 - HEAD]) != said:
        yield finding("wrong_checksum", "its data is not what the checksum at their end says")
    tail = _tail(log, end)
    if tail is None or tail.footer is None or not tail.ends:
        yield finding("cut_short", "it is cut short after its messages; players that begin at the end cannot open it")
        return
    if tail.statistics is None:
        what = f"{log.path}: it has no summary with counts; players read it whole to show anything"
        yield Finding(severity="info", code="no_summary", what=what, episode=episode)
        return
    for what in _wrong_counts(index, tail, len(positions)):
        yield finding("wrong_total", what)
    lost = {at - HEAD for at in positions} ^ set(tail.chunks)
    if tail.chunks and lost:
        yield finding("stale_index", f"its index of chunks is wrong on {len(lost)}, the first at byte {min(lost)}")


def _chunks(log: Log) -> tuple[list[int], list[int], int]:
    """Where the content of each chunk begins, those whose checksum is wrong, and where the data ends."""
    positions, wrong = list[int](), list[int]()
    for opcode, begin, stop in records(log.view, len(MAGIC), len(log.view), log.path):
        if opcode == CHUNK:
            positions.append(begin)
            said = struct.unpack_from("<QQQI", log.view, begin)[3]
            if said and zlib.crc32(log.chunk(begin, stop)) != said:
                wrong.append(begin)
        if opcode == DATA_END:
            return positions, wrong, stop
    raise AssertionError("an index is made of logs whose data ends alone")


def _tail(log: Log, start: int) -> Tail | None:
    """What lies after the data; None where its records are damaged."""
    found, view = Tail(ends=bytes(log.view[-len(MAGIC) :]) == MAGIC), log.view
    stop = len(view) - len(MAGIC) if found.ends else len(view)
    try:
        for opcode, begin, end in records(view, start, stop, log.path):
            if opcode == STATISTICS:
                found.statistics = _STATISTICS.unpack_from(view[:end], begin)
                at = begin + _STATISTICS.size
                found.by_channel = dict(_COUNT.iter_unpack(view[at : at + found.statistics[8]]))
            elif opcode == CHUNK_INDEX:
                found.chunks.append(struct.unpack_from("<QQQ", view[:end], begin)[2])
            elif opcode == FOOTER:
                found.footer = _FOOTER.unpack_from(view[:end], begin)
    except (DamagedFileError, struct.error):
        return None
    return found


def _wrong_counts(index: Index, tail: Tail, chunks: int) -> Iterator[str]:
    there = {channel: len(messages.start) for channel, messages in index.messages.items()}
    total, said = sum(there.values()), tail.statistics
    if said[0] != total:
        yield f"its summary counts {said[0]:,} messages; there are {total:,}"
    if said[5] != chunks:
        yield f"its summary counts {said[5]:,} chunks; there are {chunks:,}"
    counts = Counter(tail.by_channel)
    wrong = [channel for channel in sorted({*there, *counts}) if there.get(channel, 0) != counts[channel]]
    if tail.by_channel and wrong:
        first = wrong[0]
        topic = index.channels[first].topic if first in index.channels else f"channel {first}"
        yield (
            f"its summary counts {counts[first]:,} messages of {topic}, where there are {there.get(first, 0):,}"
            + (f"; and is wrong on {len(wrong) - 1} more topics" if len(wrong) > 1 else "")
        )
    times = [m.log_time for m in index.messages.values() if len(m.log_time)]
    if times and (said[6], said[7]) != (min(map(min, times)), max(map(max, times))):
        yield "its summary says other times of the first and the last message than they have"
