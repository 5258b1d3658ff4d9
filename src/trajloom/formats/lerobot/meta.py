"""The further files of a LeRobot source's `meta`, which come back beside those that are written anew."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trajloom import tables
from trajloom.formats import Source
from trajloom.formats.lerobot.plan import MADE, Native, source_info


def restore(source: Source, columns: Sequence[Native], meta: Path) -> Mapping[str, Any]:
    """Write the files that are not written anew; returns the source's statistics of features that are gone.

    Args:
        source: The dataset.
        columns: The features that are written.
        meta: The folder to write into.
    """
    stats: Mapping[str, Any] = {}
    if not source_info(source.header):
        return stats
    for part in source.parts()[:1]:
        for batch in part.rest():
            for row in tables.rest_rows(batch):
                name = row.path.removeprefix("meta/")
                if row.path == "meta/stats.json" and row.data:
                    stats = _json_object(row.data)
                elif row.path.startswith("meta/") and _is_plain(name) and row.data is not None:
                    (meta / name).write_bytes(row.data)
    features = source_info(source.header).get("features")
    gone = set(features if isinstance(features, Mapping) else ()) - {n.name for n in columns} - MADE.keys()
    return {name: found for name, found in stats.items() if name in gone}


def _is_plain(name: str) -> bool:
    return bool(name) and not any(c in name for c in "/\\:\0") and name not in (".", "..", "info.json")


def _json_object(data: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
