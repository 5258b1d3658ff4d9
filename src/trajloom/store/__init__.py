"""The native dataset: a folder, or any fsspec URL, of plain Parquet that anything can read.

    dataset.json   steps/part-<k>.parquet   episodes/part-<k>.parquet   attempts/...   rest/...
    models/<sha256>.xml      commits/part-<k>.json

A part exists once its commit record exists; the record is written last. Every part has files of `steps` and
`episodes`, if empty ones; of `attempts` and `rest` only where it has rows.
"""

from trajloom.store.commits import Commit
from trajloom.store.compaction import compact
from trajloom.store.copy import write
from trajloom.store.faults import findings
from trajloom.store.part_writer import PartWriter
from trajloom.store.reader import NATIVE, StoredDataset, StoredPart, is_store, open_store, read_header
from trajloom.store.verify import verify
from trajloom.store.writer import (
    Writer,
    check_room,
    clean_orphans,
    create,
    keep_models,
    resume,
    update_header,
)

__all__ = [
    "NATIVE",
    "Commit",
    "PartWriter",
    "StoredDataset",
    "StoredPart",
    "Writer",
    "check_room",
    "clean_orphans",
    "compact",
    "create",
    "findings",
    "is_store",
    "keep_models",
    "open_store",
    "read_header",
    "resume",
    "update_header",
    "verify",
    "write",
]
