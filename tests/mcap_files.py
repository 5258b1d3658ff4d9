"""Logs in MCAP, written with the library `mcap`."""

import json
from collections.abc import Mapping, Sequence

from mcap.writer import CompressionType, Writer
from mcap_ros2.writer import Writer as Ros2Writer

START = 1_700_000_000_000_000_000
"""Time of the first message, in ns."""
MS = 1_000_000
STATUS = """float64[3] position
bool ready
string name
"""
"""A definition of ROS 2."""


def json_log(path, messages: Sequence[tuple[str, int, object]], *, schemas: Mapping[str, object] | None = None,
             compression: CompressionType = CompressionType.NONE, chunks: bool = True) -> str:  # fmt: skip
    """A log of (topic, time in ms, message)."""
    with open(path, "wb") as file:
        writer = Writer(file, compression=compression, use_chunking=chunks, chunk_size=400)
        writer.start()
        channels: dict[str, int] = {}
        for topic, time_ms, message in messages:
            if topic not in channels:
                schema = json.dumps((schemas or {}).get(topic, {})).encode()
                number = writer.register_schema("thing", "jsonschema", schema)
                channels[topic] = writer.register_channel(topic, "json", number)
            time = START + time_ms * MS
            data = json.dumps(message).encode()
            writer.add_message(channels[topic], time, data, time - 5 * MS)
        writer.finish()
    return str(path)


def ros2_log(path, definition: str, name: str, messages: Sequence[tuple[int, object]]) -> str:
    """A log of one topic /robot of (time in ms, message)."""
    with open(path, "wb") as file:
        writer = Ros2Writer(file)
        schema = writer.register_msgdef(name, definition)
        for time_ms, message in messages:
            writer.write_message("/robot", schema, message, log_time=START + time_ms * MS)
        writer.finish()
    return str(path)
