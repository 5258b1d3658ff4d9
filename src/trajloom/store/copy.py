"""Whole datasets, written from any source."""

import os
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

import pyarrow as pa

from trajloom.errors import SettingsError
from trajloom.folder import Folder, same_place
from trajloom.formats import Part, Progress, Source
from trajloom.store.part_writer import PartWriter
from trajloom.store.writer import Writer, check_room, make_room, update_header

THREADS = 3
"""Parts that are compressed at the same time; each holds a row group or two in memory."""


def write(source: Source, path: str, *, overwrite: bool = False, progress: Progress | None = None) -> None:
    """Write a whole dataset. On a local disk it is there whole or not at all; at a URL its header comes last.

    Args:
        source: Any dataset that can be read; each of its parts becomes a part.
        path: A folder or fsspec URL that is free or, with `overwrite`, holds a dataset of ours. On a local disk the
            old one stays until the new one is complete.
        overwrite: Whether a dataset that is there may go.
        progress: Called with (episodes done, episodes in all).

    Raises:
        OutputExistsError: There is something.
        SettingsError: The output is the input.
    """
    origin = getattr(source, "path", None)
    if origin is not None and same_place(str(origin), path):
        raise SettingsError(f"the output {path} is the input, or lies within it; choose another place")
    folder = Folder(os.fspath(path))
    check_room(folder, overwrite)
    if not folder.local:
        make_room(folder, overwrite)
        copy_parts(source, Writer(path, source.header), progress)
        update_header(path, source.header)
        return
    draft = sibling(folder, "new")
    try:
        update_header(draft.root, source.header)
        copy_parts(source, Writer(draft.root, source.header), progress)
        swap(draft, folder)
    finally:
        draft.remove_all()


def sibling(folder: Folder, kind: str) -> Folder:
    """A folder beside another, where a rename can move it into the other's place."""
    path = Path(folder.root)
    path.parent.mkdir(parents=True, exist_ok=True)
    return Folder(str(path.with_name(f".{path.name}.{uuid.uuid4().hex}.{kind}")))


def swap(draft: Folder, folder: Folder) -> None:
    """Put a finished folder in another's place."""
    old = sibling(folder, "old")
    if os.path.exists(folder.root):
        os.rename(folder.root, old.root)
    os.rename(draft.root, folder.root)
    old.remove_all()


def copy_parts(source: Source, writer: Writer, progress: Progress | None = None) -> None:
    """Write every part of a source, and its models once.

    A few parts are compressed at the same time, each in a thread; the source is read by one of them at a time.
    """
    parts, models, reading = source.parts(), source.models(), Lock()
    total, done = sum(part.num_episodes for part in parts), 0

    def copy(number: int, part: Part) -> None:
        with writer.part(number) as out:
            copy_part(part, out, reading)
            for sha in models if number == 0 else ():
                out.add_model(models[sha])

    pool = ThreadPoolExecutor(min(THREADS, os.cpu_count() or 1))
    try:
        copies = [pool.submit(copy, number, part) for number, part in enumerate(parts)]
        for part, copied in zip(parts, copies, strict=True):
            copied.result()
            done += part.num_episodes
            if progress:
                progress(done, total)
    finally:
        pool.shutdown(cancel_futures=True)


def copy_part(part: Part, out: PartWriter, reading: Lock) -> None:
    """Write the rows of a part; `reading` is held while the source is read."""
    for batch in _taken(part.steps(), reading):
        out.write_steps(batch)
    with reading:
        episodes, attempts = part.episodes(), part.attempts()
    out.write_episodes(episodes)
    out.write_attempts(attempts)
    for batch in _taken(part.rest(), reading):
        out.write_rest(batch)


def _taken(batches: Iterable[pa.RecordBatch], reading: Lock) -> Iterator[pa.RecordBatch]:
    batches = iter(batches)
    while True:
        with reading:
            batch = next(batches, None)
        if batch is None:
            return
        yield batch
