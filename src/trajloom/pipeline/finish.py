"""Parts that workers wrote, made one dataset: one header, and numbers for episodes that are new."""

import warnings
from collections.abc import Sequence
from typing import Any

from trajloom import store
from trajloom.errors import RunError, TrajloomWarning
from trajloom.pipeline.crew import Crew
from trajloom.pipeline.layout import Outputs, Seen, all_of, header_of
from trajloom.pipeline.units import Done, Tidy, run_tidy
from trajloom.schema import Column, Header, path_of
from trajloom.store import StoredDataset, StoredPart


def finish(crew: Crew, out: str, made: Sequence[Done], prior: Header, kept: Sequence[Done] = ()) -> StoredDataset:
    """Make the parts in a folder one dataset; only those that differ from it are written again.

    Columns are those of all parts. Where an episode became several, or the parts were made by a global augmentation,
    their episodes are numbered on from those that are kept, in order, and named after their numbers: "demo_12".

    Args:
        crew: Who writes parts again.
        out: The folder.
        made: What came of the parts, in order.
        prior: The header of what they were made from.
        kept: Parts before them, whose episodes keep numbers and names.

    Raises:
        SchemaError: Parts differ in what a column is.
        RunError: A part is not where this process can see it.
    """
    header = _header(prior, [*kept, *made])
    numbers = _numbers(made, kept)
    lost = sum(one.attempts for one in made)
    if lost:
        note = f"{lost} rows of `attempts` were left out: episodes have new numbers, no longer those of their attempts"
        warnings.warn(note, TrajloomWarning, stacklevel=2)
        header = header.with_(warnings=(*header.warnings, note), attempts_end=None)
    tidies = list(_tidies(out, [*kept, *made], header, numbers))
    for _ in crew.run(run_tidy, tidies):
        pass
    models = frozenset[str]().union(*(one.models for one in (*kept, *made)))
    store.keep_models(out, {}, wanted=models)
    store.update_header(out, header)
    return store.open_store(out)


def _numbers(made: Sequence[Done], kept: Sequence[Done]) -> dict[int, int]:
    """Part -> number of its first episode, where episodes are numbered anew; else nothing."""
    if all(one.numbered for one in made):
        return {}
    number = max([one.last for one in kept], default=-1) + 1
    numbers = {}
    for one in made:
        numbers[one.number] = number
        number += one.episodes
    return numbers


def _tidies(out: str, done: Sequence[Done], header: Header, numbers: dict[int, int]) -> list[Tidy]:
    """What is to be written again."""
    writer = store.Writer(out, header)
    commits = {commit.part: commit for commit in writer.commits()}
    missing = sorted({one.number for one in done} - set(commits))
    if missing:
        raise RunError(f"{out}: parts {missing} are not there: workers wrote them elsewhere; give a shared `scratch`")
    tidies = []
    for one in done:
        if one.number in numbers or _columns(one.header) != _columns(header):
            part = StoredPart(writer.folder, one.header, commits[one.number])
            tidies.append(Tidy(part, header, numbers.get(one.number)))
    return tidies


def _columns(header: Header) -> Any:
    return header.steps_schema, header.episodes_schema, header.control_hz


# ---- one header ------------------------------------------------------------------------------------------------


def _header(prior: Header, done: Sequence[Done]) -> Header:
    """The header of all parts; what is known of a column is what the first part that has it knows."""
    steps: dict[str, Column] = {}
    once: dict[str, Column] = {}
    for one in done:
        for found, columns in ((steps, one.header.steps), (once, one.header.episodes)):
            for column in columns if one.episodes else ():
                if column.name not in {**steps, **once}:
                    found[column.name] = column
    if not any(one.episodes for one in done):
        return done[0].header.with_(generation=prior.generation) if done else prior
    known = next(one.header for one in done if one.episodes)
    known = known.with_(
        steps=tuple(steps.values()), episodes=tuple(once.values()), generation=prior.generation, layout=prior.layout
    )
    return header_of(all_of(one.outputs or _outputs(one) for one in done), known)


def _outputs(done: Done) -> Outputs:
    """What is to be seen in a part of which only the header is known."""
    n = done.episodes

    def seen(column: Column, per_step: bool) -> Seen:
        kind, there = (column.dtype, column.shape), n - int(column.nullable)
        told = f"what is there: {path_of(column.name)} has rows of shape {column.shape}, {column.dtype}"
        return Seen(kind if per_step else None, None if per_step else kind, there, there, told)

    paths = {path_of(column.name): seen(column, True) for column in done.header.steps}
    paths |= {path_of(column.name): seen(column, False) for column in done.header.episodes}
    return Outputs(n, n, paths if n else {})


def parts_of(dataset: StoredDataset) -> list[Done]:
    """The parts of a dataset that is whole, as if they had just been made."""
    return [
        Done(
            number=part.commit.part,
            header=dataset.header,
            outputs=None,
            episodes=part.num_episodes,
            steps=part.num_steps,
            numbered=True,
            last=part.commit.last,
            models=frozenset(part.episodes().column("model").drop_null().to_pylist()),
        )
        for part in dataset.parts()
    ]
