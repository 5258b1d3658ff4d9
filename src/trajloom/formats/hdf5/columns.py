"""Which arrays of a file's demonstrations become which columns: one decision a path, for the whole file."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trajloom.formats.hdf5.dialect import Dialect
from trajloom.formats.hdf5.scan import Facts, Occurrences, portable
from trajloom.formats.hdf5.storage import Signature, common_spelling, spellings
from trajloom.formats.hdf5.told import MAX_ROW_BYTES, Known, Table, Told
from trajloom.schema import LINEAGE, Column, stored_name

ABSENT, THROUGH_HDF5 = -1, -2
MAX_EPISODE_ARRAY_BYTES = 4 << 20
LINEAGE_FOLDER = "trajloom"
"""Group of a demonstration in which we export lineage columns."""


@dataclass
class Plan:
    """A path that is a column."""

    path: str
    """In the file, relative to the demonstration."""
    column: Column
    table: Table
    where: NDArray[np.int64]
    """For each episode: byte offset in the file, THROUGH_HDF5, or ABSENT."""


@dataclass
class Decision:
    """What a file's arrays are to us."""

    lengths: NDArray[np.int64]
    plans: list[Plan] = field(default_factory=list)
    rest: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """Episode -> paths of arrays that are no regular column there."""
    layout: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Path -> how its datasets commonly lie in the file."""
    storage: dict[int, dict[str, Any]] = field(default_factory=lambda: defaultdict(dict))
    """Episode -> path -> how that dataset lies instead."""
    renamed: dict[str, str] = field(default_factory=dict)
    """Path that robomimic would use -> path that the file uses."""
    faults: dict[int, list[tuple[str, str]]] = field(default_factory=lambda: defaultdict(list))
    oddities: list[str] = field(default_factory=list)


def decide(
    names: Sequence[str], facts: Facts, num_samples: Sequence[int | None], ours: bool, dialect: Dialect, told: Told
) -> Decision:
    """Decide for every path whether it is per step, per episode, or neither.

    Args:
        names: Of the demonstrations.
        facts: What lies in them.
        num_samples: What each says is its length.
        ours: Whether we exported the file, so that it may hold lineage columns.
        dialect: The file's layout.
        told: What we wrote down of the columns, where we did; of what has changed since, that counts which is there.
    """
    decision = Decision(np.zeros(len(names), dtype=np.int64))
    if "actions" not in facts.arrays and "action" in facts.arrays and "action" not in told.columns:
        decision.renamed["actions"] = "action"
        decision.oddities.append("the actions are named `action`; they are read as `actions`")
    known = _our_paths(facts, dialect, decision)
    actions = decision.renamed.get("actions", "actions")
    leaders = [path for path in (actions, "states") if _may_lead(told.columns.get(path))]
    decision.lengths = _lengths(len(names), facts, leaders, told)
    kept: dict[str, str] = {}
    for path, found in sorted(facts.arrays.items()):
        if path in told.columns:
            fixed = told.columns[path]
            _plan(path, fixed.column, fixed.table, found, names, decision, told=True)
            if fixed.table == "steps" and _is_essential(known.get(path, path)):
                kept[path] = known.get(path, path)
            continue
        if path in told.rest:
            _all_to_rest(path, found, names, decision, quiet=True)
            continue
        ours_ = known.get(path, path)
        table, kind, shape, votes = _vote(ours_, path, found, decision.lengths, dialect)
        if table == "steps" and _is_essential(ours_) and 2 * votes >= len(found):
            kept[path] = ours_
        if table is None or path != portable(path):
            _all_to_rest(path, found, names, decision)
            continue
        column = _column(ours_, kind, shape, table, dialect)
        if ours and _is_lineage(path, column, table):
            table, column = "lineage", replace(column, name=path.partition("/")[2])
        _plan(path, column, table, found, names, decision, scalars=dialect.scalars)
    for path, fixed in told.columns.items():
        if path not in facts.arrays and not fixed.written:
            _plan(path, fixed.column, fixed.table, Occurrences(), names, decision, told=True)
    _find_faults(kept, facts, num_samples, decision)
    _find_missing([path for path in leaders if path not in told.columns], facts, decision)
    for episode, faults in facts.faults.items():
        decision.faults[episode] += faults
    return decision


def _may_lead(known: Known | None) -> bool:
    """Whether an array's rows are the steps of its episode."""
    return known is None or known.table == "steps"


def _our_paths(facts: Facts, dialect: Dialect, to: Decision) -> dict[str, str]:
    """Path in the file -> ours, where it is another; two arrays never get one path."""
    known = {theirs: ours for ours, theirs in to.renamed.items()}
    for path in facts.arrays:
        ours = dialect.ours(path)
        if ours != path and ours not in facts.arrays:
            known[path], to.renamed[ours] = ours, path
        elif dialect.theirs(path) != path:
            to.renamed[path] = path
    return known


def _lengths(n: int, facts: Facts, leaders: Sequence[str], told: Told) -> NDArray[np.int64]:
    lengths = np.full(n, -1, dtype=np.int64)
    if told.lengths is not None and len(told.lengths) == n and (told.lengths >= 0).all():
        lengths[:] = told.lengths
    for path in reversed(leaders):
        for episode, signature, _ in facts.arrays.get(path, Occurrences()):
            if signature.shape:
                lengths[episode] = signature.shape[0]
    unknown = np.flatnonzero(lengths < 0)
    if len(unknown):
        votes: dict[int, Counter[int]] = {int(episode): Counter() for episode in unknown}
        for found in facts.arrays.values():
            for episode, signature, _ in found:
                if episode in votes and signature.shape:
                    votes[episode][signature.shape[0]] += 1
        for episode, counter in votes.items():
            lengths[episode] = max(counter, key=lambda rows: (counter[rows], rows)) if counter else 0
    return lengths


def _vote(
    path: str, own: str, found: Occurrences, lengths: NDArray[np.int64], dialect: Dialect
) -> tuple[Table | None, str, tuple[int, ...], int]:
    per_step: Counter[tuple[str, tuple[int, ...]]] = Counter()
    per_episode: Counter[tuple[str, tuple[int, ...]]] = Counter()
    once = own.split("/")[0] in dialect.once
    for episode, signature, _ in found:
        if not _is_regular(signature, dialect.scalars):
            continue
        kind = str(signature.kind.column)
        rows = signature.shape[0] if signature.shape else -1
        if not once and rows == lengths[episode] and signature.nbytes <= MAX_ROW_BYTES * rows:
            per_step[kind, signature.shape[1:]] += 1
        if not _is_per_step_by_name(path) and signature.nbytes <= MAX_EPISODE_ARRAY_BYTES:
            per_episode[kind, signature.shape] += 1
    (step, step_votes), (episode_, episode_votes) = _first(per_step), _first(per_episode)
    filled = sum(1 for _, signature, _ in found if signature.nbytes)
    # what differs from episode to episode is ragged, not one column with many exceptions
    if step_votes >= max(1, episode_votes) and (2 * step_votes >= filled or _is_per_step_by_name(path)):
        return "steps", *step, step_votes
    if episode_votes and 2 * episode_votes > filled:
        return "episodes", *episode_, episode_votes
    return None, "", (), 0


def _first(votes: Counter[tuple[str, tuple[int, ...]]]) -> tuple[tuple[str, tuple[int, ...]], int]:
    return votes.most_common(1)[0] if votes else (("", ()), 0)


def _is_regular(signature: Signature, scalars: bool) -> bool:
    sized = (signature.shape or scalars) and not signature.null and 0 not in signature.shape
    return bool(signature.kind.column and sized)


def _is_essential(path: str) -> bool:
    return path in ("actions", "states") or path.startswith(("obs/", "next_obs/", "datagen_info/"))


def _is_per_step_by_name(path: str) -> bool:
    return (
        _is_essential(path) or path in ("action", "rewards", "dones", "actions_abs") or path.startswith("action_dict/")
    )


def _column(path: str, kind: str, shape: tuple[int, ...], table: Table, dialect: Dialect) -> Column:
    name = stored_name(path, "episodes" if table == "episodes" else "steps")
    step = dialect.when.get(path.split("/")[0]) if table == "steps" else None
    turn = rotation_of(path, kind, shape) if table == "steps" else None
    return Column(name=name, dtype=kind, shape=shape, when=step, rotation=turn)


def rotation_of(path: str, kind: str, shape: tuple[int, ...]) -> Literal["matrix", "xyzw"] | None:
    """How a column of MimicGen or robosuite writes rotations: poses as matrices, observed quaternions x, y, z, w."""
    group, _, name = path.partition("/")
    if not kind.startswith("float"):
        return None
    if group == "datagen_info" and shape == (4, 4):
        return "matrix"
    observed = group in ("obs", "next_obs") and shape == (4,)
    return "xyzw" if observed and name.endswith(("_quat", "_quat_site")) else None


def _is_lineage(path: str, column: Column, table: Table) -> bool:
    folder, _, rest = path.partition("/")
    kind = rest.partition("/")[0]
    if folder != LINEAGE_FOLDER or table != "steps" or column.shape or kind not in LINEAGE:
        return False
    return str(LINEAGE[kind]) == column.dtype


def _plan(
    path: str,
    column: Column,
    table: Table,
    found: Occurrences,
    names: Sequence[str],
    to: Decision,
    told: bool = False,
    scalars: bool = False,
) -> None:
    where = np.full(len(names), ABSENT, dtype=np.int64)
    odd: list[tuple[int, Signature]] = []
    for episode, signature, offset in found:
        rows = () if table == "episodes" else (int(to.lengths[episode]),)
        fits = signature.kind.column == column.dtype and signature.shape == (*rows, *column.shape)
        if fits and _is_regular(signature, told or scalars):
            where[episode] = offset if offset >= 0 else THROUGH_HDF5
        else:
            odd.append((episode, signature))
            to.rest[episode].append(path)
    lacking = (where == ABSENT) & ((to.lengths > 0) | (table == "episodes"))
    nullable = bool(lacking.any()) or (told and column.nullable)
    to.plans.append(Plan(path, replace(column, nullable=nullable), table, where))
    _plan_storage(path, found, where, to)
    _report(path, odd, len(found), names, to)


def _plan_storage(path: str, found: Occurrences, where: NDArray[np.int64], to: Decision) -> None:
    times: Counter[Signature] = Counter(s for episode, s, _ in found if where[episode] != ABSENT)
    ways = {s: spellings(s.storage, s.shape, s.kind.size) for s in times}
    common = common_spelling((s.storage, s.shape, s.kind.size, n) for s, n in times.items())
    to.layout[path] = common
    if all(common in way for way in ways.values()):
        return
    for episode, signature, _ in found:
        if where[episode] != ABSENT and common not in ways[signature]:
            to.storage[episode][path] = ways[signature][-1]


def _all_to_rest(path: str, found: Occurrences, names: Sequence[str], to: Decision, quiet: bool = False) -> None:
    for episode, _, _ in found:
        to.rest[episode].append(path)
    if not quiet:
        _report(path, [(episode, signature) for episode, signature, _ in found], len(found), names, to)


def _report(path: str, odd: list[tuple[int, Signature]], times: int, names: Sequence[str], to: Decision) -> None:
    odd = [(episode, signature) for episode, signature in odd if signature.nbytes]
    if odd:
        episode, signature = odd[0]
        said = f"shape {signature.shape}, {signature.kind.name[:20]}, where the episode has {to.lengths[episode]} steps"
        to.oddities.append(
            f"{portable(path)} is no regular column in {len(odd)} of {times} episodes "
            f"({names[episode]}: {said}); kept in `rest`"
        )


def _find_faults(kept: dict[str, str], facts: Facts, num_samples: Sequence[int | None], to: Decision) -> None:
    rows: dict[int, list[tuple[str, int]]] = defaultdict(list)
    wrong: set[int] = set()
    for path in kept:
        for episode, signature, _ in facts.arrays[path]:
            if signature.shape and not signature.null:
                rows[episode].append((path, signature.shape[0]))
                if signature.shape[0] != to.lengths[episode]:
                    wrong.add(episode)
    for episode in sorted(wrong):
        votes = Counter(n for _, n in rows[episode])
        said = num_samples[episode]
        steps = max(votes, key=lambda n: (votes[n], n == said, n == to.lengths[episode]))
        for path, n in rows[episode]:
            if n < steps:
                to.faults[episode].append((path, f"is cut short ({n:,} of {steps:,} steps)"))
            elif n > steps:
                to.faults[episode].append((path, f"is too long ({n:,} rows for {steps:,} steps)"))


def _find_missing(leaders: Sequence[str], facts: Facts, to: Decision) -> None:
    for path in leaders:
        there = set(facts.arrays.get(path, Occurrences()).episodes)
        if 2 * len(there) > len(to.lengths):
            for episode in sorted(set(range(len(to.lengths))) - there):
                if path not in (p for p, _ in facts.faults.get(episode, ())):
                    others = f"{len(there):,} of {len(to.lengths):,} episodes have it"
                    to.faults[episode].append((path, f"is missing ({others})"))
