"""The subtasks of all source demonstrations, stacked into arrays."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trajloom.engine.demos import Ints, SourceDemo, cut, offset_ranges, wanted
from trajloom.engine.select import Candidates, check_kwargs
from trajloom.errors import SourceError
from trajloom.poses import Poses, invert
from trajloom.task import Array, DatagenInfo, TaskSpec

__all__ = ["Boundaries", "Segment", "SourceDemo", "Sources"]

Boundaries = Mapping[str, Ints]
"""End effector -> (N, S + 1): subtask i of demonstration n is frames [n, i] to [n, i + 1], the second excluded."""


@dataclass(frozen=True)
class Segment:
    """One subtask of one source: frames `start` to `end`, the second excluded."""

    eef: str
    demo: int
    """Which of the N sources."""
    start: int
    end: int


@dataclass(frozen=True)
class Sources:
    """N source demonstrations: their subtasks' ends and, one after another, their frames (R = sum of lengths)."""

    spec: TaskSpec
    names: tuple[str, ...]
    episode_index: Ints
    first_row: Ints
    """(N,). Row of each demonstration's first frame in the stacked arrays."""
    ends: Mapping[str, Ints]
    """End effector -> (N, S). One past each subtask's last frame, before any random offset."""
    eef_pose: Mapping[str, Poses]
    """End effector -> (R, 4, 4)."""
    target_pose: Mapping[str, Poses]
    """End effector -> (R, 4, 4)."""
    gripper_action: Mapping[str, Array]
    """End effector -> (R, G)."""
    object_poses: Mapping[str, Poses]
    """Object -> (R, 4, 4); only those that the task names."""
    lag_m: Mapping[str, Array]
    """End effector -> (R,). How far from a frame's target it was at the next frame, in m."""
    holds_after: Mapping[str, NDArray[np.bool_]]
    """Signal -> (R,). Whether it held at the next frame; only those that the task names."""
    dropped: tuple[str, ...] = ()
    """What was wrong with the demonstrations that were left out, a line a fault."""

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_demos(
        cls, demos: Iterable[SourceDemo], spec: TaskSpec, on_error: Literal["raise", "skip"] = "raise"
    ) -> "Sources":
        """Check, cut and stack demonstrations.

        Args:
            demos: In the order in which strategies will number them.
            spec: The task.
            on_error: "raise" names every fault of every demonstration; "skip" leaves the faulty ones out and keeps the
                faults in `dropped`.

        Raises:
            SourceError: Nothing is left, or a demonstration is faulty and `on_error` is "raise".
            UnknownNameError, SettingsError: A selection strategy is unknown, or does not take its settings.
        """
        for _, _, subtask in spec:
            check_kwargs(subtask.selection_strategy, subtask.selection_strategy_kwargs)
        good: list[tuple[SourceDemo, dict[str, list[int]]]] = []
        faults: list[str] = []
        for demo in demos:
            ends, wrong = cut(demo, spec)
            faults += wrong
            if not wrong:
                good.append((demo, ends))
        if faults and (on_error == "raise" or not good):
            raise SourceError("demonstrations cannot serve as sources:\n  " + "\n  ".join(faults))
        if not good:
            raise SourceError("no source demonstrations were given")
        return _stack(good, spec, tuple(faults))

    def draw_boundaries(self, rng: np.random.Generator) -> dict[str, Ints]:
        """Shift every subtask's end by its random offset; the next subtask starts where it ends.

        Offsets are uniform on the inclusive `subtask_term_offset_range`, one a demonstration and subtask. They are
        drawn demonstration by demonstration: those of the first n are the same however many sources there are.
        """
        counts = [len(self.spec.subtasks[eef]) - 1 for eef in self.spec.eefs]
        draws = np.split(rng.random((len(self), sum(counts))), np.cumsum(counts)[:-1], axis=1)
        return {eef: self.shifted(eef, draw) for eef, draw in zip(self.spec.eefs, draws, strict=True)}

    def shifted(self, eef: str, draw: NDArray[np.float64]) -> Ints:
        """Boundaries (N, S + 1) of one end effector from uniform draws (N, S - 1) in [0, 1)."""
        subtasks = self.spec.subtasks[eef][:-1]
        low, high = offset_ranges(subtasks)
        bounds = np.zeros((len(self), len(subtasks) + 2), dtype=np.int64)
        bounds[:, 1:] = self.ends[eef]
        bounds[:, 1:-1] += low + np.floor(draw * (high - low + 1)).astype(np.int64)
        return bounds

    def rows(self, segment: Segment) -> slice:
        """Where a segment's frames lie in the stacked arrays."""
        return slice(self.row(segment.demo, segment.start), self.row(segment.demo, segment.end))

    def row(self, demo: int, frame: int) -> int:
        """Where one frame of a demonstration lies in the stacked arrays."""
        return int(self.first_row[demo]) + frame

    def object_at_start(self, segment: Segment, object_ref: str | None) -> Poses | None:
        """(4, 4). The object's pose at the segment's first frame; None where the subtask has no object."""
        return None if object_ref is None else self.object_poses[object_ref][self.rows(segment).start]

    def candidates(self, eef: str, object_ref: str | None, inds: Ints) -> Candidates:
        """What the built-in strategies compare: the start of one subtask in every demonstration, stacked.

        Args:
            eef: The end effector.
            object_ref: The subtask's object.
            inds: (N, 2). First frame and one past the last frame in every demonstration.
        """
        rows = self.first_row + inds[:, 0]
        return Candidates(
            eef_at_start=self.eef_pose[eef][rows],
            object_at_start=None if object_ref is None else self.object_poses[object_ref][rows],
        )

    def ends_at(self, eef: str, object_ref: str | None, inds: Ints) -> Poses:
        """(N, 4, 4). The last target of one subtask in every demonstration, seen from its object as the subtask began.

        Where the subtask has no object, seen from the world. Arguments as in `candidates`.
        """
        targets = self.target_pose[eef][self.first_row + inds[:, 1] - 1]
        if object_ref is None:
            return targets
        return invert(self.object_poses[object_ref][self.first_row + inds[:, 0]]) @ targets

    def infos(self, eef: str, object_ref: str | None, inds: Ints) -> list[DatagenInfo]:
        """One subtask in every demonstration as DatagenInfo, for strategies of users; arguments as in `candidates`."""
        segments = (Segment(eef, demo, start, end) for demo, (start, end) in enumerate(inds.tolist()))
        return [self._info(segment, object_ref) for segment in segments]

    def _info(self, segment: Segment, object_ref: str | None) -> DatagenInfo:
        rows = self.rows(segment)
        return DatagenInfo(
            eef_pose=self.eef_pose[segment.eef][rows],
            object_poses=None if object_ref is None else {object_ref: self.object_poses[object_ref][rows]},
            target_pose=self.target_pose[segment.eef][rows],
            gripper_action=self.gripper_action[segment.eef][rows],
        )


def _stack(
    good: Sequence[tuple[SourceDemo, dict[str, list[int]]]], spec: TaskSpec, dropped: tuple[str, ...]
) -> Sources:
    infos = [demo.info for demo, _ in good]
    lengths = [len(np.asarray(info.of(spec.eefs[0]).target_pose)) for info in infos]
    objects, signals = wanted(spec)

    def of_arms(part: str) -> dict[str, Array]:
        return {eef: _joined(getattr(info.of(eef), part) for info in infos) for eef in spec.eefs}

    return Sources(
        spec=spec,
        names=tuple(demo.name for demo, _ in good),
        episode_index=np.array([demo.episode_index for demo, _ in good], dtype=np.int64),
        first_row=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        ends={eef: np.array([ends[eef] for _, ends in good], dtype=np.int64) for eef in spec.eefs},
        eef_pose=of_arms("eef_pose"),
        target_pose=of_arms("target_pose"),
        gripper_action=of_arms("gripper_action"),
        object_poses={name: _joined((info.object_poses or {})[name] for info in infos) for name in sorted(objects)},
        lag_m={eef: np.concatenate([_lag(info.of(eef)) for info in infos]) for eef in spec.eefs},
        holds_after={
            name: np.concatenate([_next((info.subtask_term_signals or {})[name]) for info in infos]) > 0.5
            for name in sorted(signals)
        },
        dropped=dropped,
    )


def _lag(info: DatagenInfo) -> Array:
    """(T,). How far from each frame's target one end effector was at the next frame; the last frame has none."""
    reached, target = np.asarray(info.eef_pose)[:, :3, 3], np.asarray(info.target_pose)[:, :3, 3]
    lag = np.linalg.norm(reached[1:] - target[:-1], axis=-1)
    return np.append(lag, lag[-1:] if len(lag) else 0.0)


def _next(signal: Any) -> Array:
    """(T,). A signal at the frame after each; the last frame's own at the last."""
    values = np.asarray(signal, dtype=np.float64).reshape(-1)
    return np.append(values[1:], values[-1:])


def _joined(values: Iterable[Any]) -> Array:
    return np.concatenate([np.asarray(value, dtype=np.float64) for value in values])
