"""Source demonstrations: what they must hold, and where their subtasks end."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trajloom.errors import SourceError
from trajloom.task import DatagenInfo, Subtask, TaskSpec

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class SourceDemo:
    """One demonstration that others are made from."""

    episode_index: int
    name: str
    """What people call it: "demo_7"."""
    info: DatagenInfo
    """Arrays (T, ...): eef_pose, target_pose, gripper_action, and the objects and signals that the task names."""


def subtask_ends(name: str, subtasks: Sequence[Subtask], signals: Mapping[str, Any], length: int) -> list[int]:
    """Where each subtask of a demonstration ends: one past the first frame at which its signal holds.

    Only a rising edge ends a subtask, at or after the end of the subtask before; the last one ends with the
    demonstration.

    Args:
        name: The demonstration, for the error.
        subtasks: S subtasks.
        signals: Signal -> (T,) or (T, 1), of any numeric or boolean type; above 0.5 it holds.
        length: T.

    Returns:
        S exclusive ends.

    Raises:
        SourceError: A signal holds already where its subtask starts, or never rises after that.
    """
    ends: list[int] = []
    for i, subtask in enumerate(subtasks[:-1]):
        previous = ends[-1] if ends else 0
        holds = np.asarray(signals[subtask.subtask_term_signal or ""]).reshape(length) > 0.5
        ends.append(_rising_edge(f"{name}: subtask {i}, signal {subtask.subtask_term_signal!r}", holds, previous) + 1)
    return [*ends, length]


def _rising_edge(what: str, holds: NDArray[np.bool_], previous: int) -> int:
    first = max(previous - 1, 0)
    rises = np.flatnonzero(~holds[:-1] & holds[1:]) + 1
    later = rises[rises >= previous]
    if holds[first]:
        since = rises[rises <= first][-1:]
        found = f"it holds since frame {since[0] if len(since) else 0}"
        again = f"; it rises again at frame {later[0]}" if len(later) else ""
        raise SourceError(f"{what} holds already where its subtask starts (frame {first}): {found}{again}")
    if not len(later):
        before = f"it last rose at frame {rises[-1]}" if len(rises) else "it never holds"
        raise SourceError(f"{what} never rises in frames {previous} to {len(holds) - 1}: {before}")
    return int(later[0])


def cut(demo: SourceDemo, spec: TaskSpec) -> tuple[dict[str, list[int]], list[str]]:
    """A demonstration's ends per end effector, and everything that is wrong with it."""
    wrong = _missing(demo, spec)
    if wrong:
        return {}, wrong
    ends: dict[str, list[int]] = {}
    for eef, subtasks in spec.subtasks.items():
        length = len(np.asarray(demo.info.of(eef).target_pose))
        try:
            ends[eef] = subtask_ends(demo.name, subtasks, demo.info.subtask_term_signals or {}, length)
        except SourceError as error:
            wrong.append(str(error))
        else:
            wrong += _crossing(demo.name, eef, subtasks, ends[eef])
    return ends, wrong


def _crossing(name: str, eef: str, subtasks: Sequence[Subtask], ends: Sequence[int]) -> list[str]:
    """Subtasks that the offsets could leave without a frame: latest start >= earliest end."""
    low, high = offset_ranges(subtasks)
    latest_start = np.concatenate([[0], (np.asarray(ends) + high)[:-1]])
    earliest_end = np.asarray(ends) + low
    return [
        f"{name}: subtask {i} of {eef} can be left without a frame: it may start at {latest_start[i]} and end at "
        f"{earliest_end[i]}; narrow subtask_term_offset_range"
        for i in np.flatnonzero(latest_start >= earliest_end)
    ]


def offset_ranges(subtasks: Sequence[Subtask]) -> tuple[Ints, Ints]:
    """The lowest and the highest offset of every subtask's end: (S,) and (S,)."""
    ranges = np.array([subtask.subtask_term_offset_range for subtask in subtasks], dtype=np.int64).reshape(-1, 2)
    return ranges[:, 0], ranges[:, 1]


def wanted(spec: TaskSpec) -> tuple[set[str], set[str]]:
    """The objects and the signals that the task names."""
    objects = {subtask.object_ref for _, _, subtask in spec if subtask.object_ref is not None}
    signals = {subtask.subtask_term_signal for _, _, subtask in spec if subtask.subtask_term_signal is not None}
    return objects, signals


def _missing(demo: SourceDemo, spec: TaskSpec) -> list[str]:
    """What the task needs and the demonstration's datagen_info does not have, or has with a wrong shape."""
    objects, signals = wanted(spec)
    info = demo.info
    wrong = [
        *_absent(demo.name, "object_poses", objects, info.object_poses or {}),
        *_absent(demo.name, "subtask_term_signals", signals, info.subtask_term_signals or {}),
    ]
    for part in ("eef_pose", "target_pose", "gripper_action"):
        value = getattr(info, part)
        if value is None:
            wrong.append(f"{demo.name}: datagen_info has no {part}; there are: {', '.join(info.to_dict()) or 'none'}")
        elif isinstance(value, Mapping):
            wrong += _absent(demo.name, part, spec.eefs, value)
        elif len(spec.eefs) > 1:
            wrong.append(f"{demo.name}: {part} is of a single arm; the task has {', '.join(spec.eefs)}")
    return wrong or _misshapen(demo, spec)


def _absent(name: str, group: str, wanted: Iterable[str], found: Mapping[str, Any]) -> list[str]:
    absent = sorted(set(wanted) - set(found))
    there = ", ".join(found) or "none"
    return [f"{name}: datagen_info/{group} has no {', '.join(map(repr, absent))}; there are: {there}"] if absent else []


def _misshapen(demo: SourceDemo, spec: TaskSpec) -> list[str]:
    objects, signals = wanted(spec)
    length = len(np.asarray(demo.info.of(spec.eefs[0]).target_pose))
    wrong: list[str] = []

    def check(path: str, value: Any, tail: tuple[int, ...]) -> None:
        shape = np.shape(value)
        fits = shape[:1] == (length,) and (shape[1:] == tail or (not tail and shape[1:] == (1,)) or tail == (-1,))
        if not fits:
            want = (length, *("G" if size == -1 else size for size in tail))
            wrong.append(f"{demo.name}: {path} must have shape {want}, got {shape}")
        elif not np.all(np.isfinite(np.asarray(value, dtype=np.float64))):
            wrong.append(f"{demo.name}: {path} holds values that are not finite")

    for eef in spec.eefs:
        view = demo.info.of(eef)
        check(f"eef_pose of {eef}", view.eef_pose, (4, 4))
        check(f"target_pose of {eef}", view.target_pose, (4, 4))
        check(f"gripper_action of {eef}", view.gripper_action, (-1,))
    for name in sorted(objects):
        check(f"object_poses/{name}", (demo.info.object_poses or {})[name], (4, 4))
    for name in sorted(signals):
        check(f"subtask_term_signals/{name}", (demo.info.subtask_term_signals or {})[name], ())
    return wrong
