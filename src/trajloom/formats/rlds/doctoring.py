"""What the doctor asks of TFRecord episodes: whether counts of `dataset_info.json` and flags of steps are right."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from trajloom.errors import TrajloomError
from trajloom.findings import Finding
from trajloom.formats.rlds.scan import INFO, Entry, Scan, scan
from trajloom.formats.rlds.source import RecordRows, columns_of, rows_of

FLAGS = {"is_first": 0, "is_last": -1}
"""Feature of a step -> the frame at which alone it is true."""


def findings(path: str) -> Iterator[Finding]:
    """Counts of `dataset_info.json` that are stale, and flags that stand at other steps than the first and last."""
    found = scan(path, skip=True)
    yield from _shards(found)
    if not found.described and found.entries:
        what = "it has no features.json: element types and shapes are guessed from the first record"
        yield Finding(severity="info", code="no_features", what=what)
    yield from _flags(found)


def _shards(found: Scan) -> Iterator[Finding]:
    for split in found.info.get("splits", ()):
        try:
            name, lengths = split["name"], [int(n) for n in split["shardLengths"]]
            nbytes = None if split.get("numBytes") is None else int(split["numBytes"])
        except (KeyError, TypeError, ValueError):
            continue
        files = {file.path: file.shard for file in found.files if file.split == name}
        mine = [entry for entry in found.entries if entry.record.path in files]
        there = Counter(files[entry.record.path] for entry in mine)
        wrong = [shard for shard in files.values() if shard < len(lengths) and there[shard] != lengths[shard]]
        # the reader says where the sum is wrong
        if wrong and sum(there.values()) == sum(lengths):
            first = wrong[0]
            what = f"{INFO} says {lengths[first]} episodes in file {first} of split {name}; there are {there[first]}"
            yield Finding(severity="warning", code="wrong_total", what=what)
        size = sum(entry.record.size for entry in mine)
        if nbytes is not None and len(files) == len(lengths) and not wrong and size != nbytes:
            what = f"{INFO} says {nbytes:,} bytes in split {name}; its records have {size:,}"
            yield Finding(severity="warning", code="wrong_total", what=what)


def _flags(found: Scan) -> Iterator[Finding]:
    columns = columns_of(found, skip=True)
    rows = rows_of(found, columns)
    flags = {name: spec.name.rpartition("/")[2] for name, (spec, shape) in columns.items() if not shape}
    for name, flag in flags.items():
        if flag not in FLAGS:
            continue
        wrong = [i for i, entry in enumerate(found.entries) if _is_wrong(rows, i, entry, name, FLAGS[flag])]
        if wrong:
            where = {"is_first": "the first step", "is_last": "the last step"}[flag]
            what = f"{flag} is not true at {where} alone in {len(wrong)} of {len(found.entries)} episodes"
            number = wrong[0]
            entry = found.entries[number]
            episode = f"{entry.split or 'episode'}_{entry.record.number}"
            yield Finding(severity="warning", code="wrong_flag", what=what, episode=episode, column=name)


def _is_wrong(rows: RecordRows, number: int, entry: Entry, name: str, frame: int) -> bool:
    try:
        found: dict[str, Any] = dict(rows.episode(number, [name], 0, entry.length))
    except TrajloomError:
        return False  # the reader leaves it out, and says so
    if name not in found or not entry.length:
        return False
    wanted = np.zeros(entry.length, dtype=bool)
    wanted[frame] = True
    return not np.array_equal(found[name].astype(bool), wanted)
