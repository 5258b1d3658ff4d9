"""Parts whose actions are those of the other kind; see `edit.actions`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from trajloom import mjcf
from trajloom.edit.stream import along, by_episode
from trajloom.edit.view import PartView
from trajloom.errors import LayoutError, SourceError
from trajloom.formats import Part
from trajloom.osc import RecordedController
from trajloom.poses import Poses, make, rotation_from_quat
from trajloom.schema import Header
from trajloom.tables import Array, to_arrow, to_numpy

To = Literal["absolute", "delta"]

ACTIONS = "actions"
POSE = "datagen_info/eef_pose"
POSITION = "obs/robot0_eef_pos"
SITE_QUAT = "obs/robot0_eef_quat_site"
HAND_QUAT = "obs/robot0_eef_quat"
HAND = "robot0_right_hand"
SITES = ("gripper0_right_grip_site", "gripper0_grip_site")
"""The site that the controller moves: since robosuite 1.5, and before."""
BASES = (("site", "robot0_right_center"), ("body", "robot0_base"))
"""The frame of actions since robosuite 1.5, or what stands for it."""


def attr_of(to: str) -> str:
    """The attribute of an episode's `actions` that counts clipped steps."""
    return f"clipped_to_{to}"


@dataclass(frozen=True)
class Conversion:
    """What is done to every part; called with one."""

    header: Header
    controller: RecordedController
    to: To
    poses: tuple[str, ...]
    models: Mapping[str, str] | None
    """SHA-256 -> model XML, where poses or base are read off it."""

    def __call__(self, part: Part) -> "ConvertedPart":
        return ConvertedPart(part, self)

    def convert(self, rows: pa.Table, model: str | None) -> tuple[Array, Array]:
        """An episode's actions (T, A) and whether each was clipped (T,)."""
        reached, base = self.reached(rows, model)
        acts = self.actions(rows)
        wrong = self.controller.contradiction(reached, acts, base)
        if wrong:
            said = "control_delta or input_type of controller_configs in env_args"
            raise SourceError(f"its actions are not what {said} says: {wrong}; correct env_args first")
        turn = self.controller.to_absolute if self.to == "absolute" else self.controller.to_delta
        new, outside = turn(reached, acts, base)
        return new.astype(self.header.column(ACTIONS).dtype), outside

    def actions(self, rows: pa.Table) -> Array:
        """An episode's actions (T, A), float64."""
        return to_numpy(rows.column(ACTIONS), self.header.column(ACTIONS)).astype(np.float64)

    def reached(self, rows: pa.Table, model: str | None) -> tuple[Poses, Array]:
        """An episode's reached poses (T, 4, 4) of the controlled site in the world, and the pose (4, 4) of the base.

        The base is the identity where the controller does not ask for it. SourceError where the episode lacks poses,
        or the model that they are read off.
        """
        lacking = [name for name in self.poses if rows.column(name).null_count]
        if lacking:
            raise SourceError(f"it has no {' and no '.join(lacking)}, and so no reached poses")
        arrays = {name: to_numpy(rows.column(name), self.header.column(name)) for name in self.poses}
        frames = self._frames(model)
        return self._reached(arrays, frames), frames.base

    def _reached(self, arrays: Mapping[str, Array], frames: "Frames") -> Poses:
        """(T, 4, 4). Poses of the controlled site in the world."""
        if POSE in self.poses:
            return arrays[POSE].astype(np.float64)
        turn = np.broadcast_to(np.eye(3), (len(arrays[POSITION]), 3, 3))
        for name in self.poses[1:]:
            quat = arrays[name].astype(np.float64)
            if not np.linalg.norm(quat, axis=1).all():
                raise SourceError(f"{name} holds quaternions of four zeros, which are no rotations")
            turn = rotation_from_quat(quat[:, [3, 0, 1, 2]])
        if HAND_QUAT in self.poses:
            turn = turn @ frames.site_in_hand
        return make(arrays[POSITION].astype(np.float64), turn)

    def _frames(self, model: str | None) -> "Frames":
        """What is read off the model, where anything is."""
        if self.models is None:
            return Frames(np.eye(3), np.eye(4))
        xml = None if model is None else self.models.get(model)
        if xml is None:
            raise SourceError("it has no model, which says how gripper and base stand")
        root = mjcf.parse(xml)
        site = next((name for name in SITES if mjcf.has(root, "site", name)), SITES[0])
        kind, base = next((one for one in BASES if mjcf.has(root, *one)), BASES[0])
        return Frames(
            mjcf.site_in_body(root, site, HAND)[:3, :3] if HAND_QUAT in self.poses else np.eye(3),
            mjcf.pose_in_world(root, kind, base) if self.controller.base_frame else np.eye(4),
        )


@dataclass(frozen=True)
class Frames:
    """Where a robot's parts stand."""

    site_in_hand: Array
    """(3, 3). How the site that is controlled is turned against the hand's body."""
    base: Array
    """(4, 4). Of a base-frame controller."""


@dataclass(frozen=True)
class ConvertedPart(PartView):
    """A part of the source with other actions. Implements `formats.Part`."""

    by: Conversion

    def episodes(self) -> pa.Table:
        """With the number of clipped steps among their attributes."""
        table, counts = self.part.episodes(), self._counts
        rows = table.select(["episode_index", "attrs"]).to_pylist()
        attrs = [self._counted(row["attrs"], counts.get(row["episode_index"], 0)) for row in rows]
        at = table.schema.get_field_index("attrs")
        return table.set_column(at, table.schema.field(at), pa.array(attrs, type=pa.string()))

    def _counted(self, attrs: str, count: int) -> str:
        if not count:
            return attrs
        known = json.loads(attrs or "{}")
        own = {**known.get(ACTIONS, {}), attr_of(self.by.to): {"dtype": "<i8", "value": count}}
        return json.dumps({**known, ACTIONS: own})

    @cached_property
    def _counts(self) -> dict[int, int]:
        """Episode -> steps that are clipped."""
        return {episode: int(outside.sum()) for episode, (_, outside) in self._converted()}

    @cached_property
    def _rows(self) -> dict[int, Mapping[str, Any]]:
        rows = self.part.episodes().select(["episode_index", "name", "model"]).to_pylist()
        return {row["episode_index"]: row for row in rows}

    def _converted(self) -> Iterator[tuple[int, tuple[Array | None, Array]]]:
        """Episode -> its new actions (None where it has none), and whether each was clipped."""
        wanted = ["episode_index", ACTIONS, *self.by.poses]
        for episode, rows in by_episode(self.part.steps(wanted)):
            if rows.column(ACTIONS).null_count == len(rows):
                yield episode, (None, np.zeros(len(rows), dtype=bool))
                continue
            row = self._rows[episode]
            try:
                yield episode, self.by.convert(rows, row["model"])
            except (SourceError, LayoutError) as error:
                raise SourceError(f"{row['name']}: {error}") from error

    def steps(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        wanted = self.by.header.steps_schema.names if columns is None else list(columns)
        if ACTIONS not in wanted:
            yield from self.part.steps(wanted)
            return
        column, needed = self.by.header.column(ACTIONS), list(dict.fromkeys(["episode_index", *wanted]))
        at = needed.index(ACTIONS)
        for (new, _), start, rows in along(self.part.steps(needed), self._converted()):
            piece = to_arrow(None if new is None else new[start : start + rows.num_rows], column, rows.num_rows)
            yield rows.set_column(at, rows.schema.field(at), piece).select(wanted)
