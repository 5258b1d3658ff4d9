"""MCAP: logs of robots, ROS 2's own (rosbag2), ROS 1's and JSON; read-only.

    <name>.mcap      one file is one episode, named after it
      channel        a topic, with the definition of its messages
      message        log_time, publish_time, and the fields as the definition lays them out
    <folder>/*.mcap  a folder of them is a dataset; its files are episodes in natural order

Every numeric field of a topic is a column `<topic>/<field>/<field>` of the definition's own element type: scalars,
arrays of fixed length, and lists whose length never changes; of a list of messages, one column a field with the list as
its first axis. `sensor_msgs/Image` and `CompressedImage` are one column each, named after the topic; `bgr8` becomes
RGB. Left out, with a warning that names them: text, stamps of headers, lists and images that change their size, and
topics whose encoding or definition we cannot read.

Topics tick on their own, rows do not: a row stands at each message of one topic, the clock (or at a fixed rate), and
holds of every other topic the latest message at or before it. Before a topic's first message its columns are null; most
other formats hold NaN or 0 there and the nulls beside; `complete` leaves such rows out. Times are those of the log
(`log_time`, when a message was recorded) unless `time` asks for `publish_time`; `timestamp` counts from the episode's
first row.
"""

import os
from collections.abc import Iterator

from trajloom.findings import Finding
from trajloom.formats import OnError
from trajloom.formats._columnar import ColumnarSource
from trajloom.formats.mcap.doctoring import findings as _findings
from trajloom.formats.mcap.files import looks_like_mcap
from trajloom.formats.mcap.options import ReadOptions
from trajloom.formats.mcap.source import read_source

__all__ = ["NAME", "SUFFIXES", "ReadOptions", "findings", "read", "sniff"]

NAME = "mcap"
SUFFIXES = (".mcap",)


def sniff(path: str) -> bool:
    """Whether a path is an MCAP file, or a folder with some in it."""
    return looks_like_mcap(path)


def read(
    path: str | os.PathLike[str], *, on_error: OnError = "raise", options: ReadOptions | None = None
) -> ColumnarSource:
    """Index the messages of a log, or of a folder of logs, and return it as a dataset.

    Messages are looked through once to learn their times and the lengths of their lists; values are decoded when read.

    Args:
        path: A file, a folder, or the URL of one; what is remote is copied to this machine.
        on_error: "skip" leaves files out that cannot be read, with a warning.
        options: Which topic is the clock, and how a log is cut into episodes.

    Raises:
        LayoutError: It is no MCAP.
        DamagedFileError: A file is cut short, or a message does not fit its definition.
        HostileFileError: A chunk says that it unpacks to more than a chunk may.
        SettingsError: The clock asked for is no topic with columns.
        MissingExtraError: trajloom[mcap] is not installed.
    """
    return read_source(os.fspath(path), on_error, options or ReadOptions())


def findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    """What summaries and checksums of logs get wrong, and logs that are cut short after their messages."""
    return _findings(os.fspath(path))
