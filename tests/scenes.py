"""Batches of a small robosuite-like dataset: what augmentations are tested on."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from in_memory import MemoryEpisode, MemorySource
from trajloom.batch import Batch
from trajloom.poses import make, quat_from_rotation, rotation_from_axis_angle
from trajloom.schema import Column, Header
from trajloom.seeding import rng_for

CONTROLLER = {
    "type": "OSC_POSE", "input_max": 1, "input_min": -1, "output_max": [0.05] * 3 + [0.5] * 3,
    "output_min": [-0.05] * 3 + [-0.5] * 3, "impedance_mode": "fixed", "control_delta": True,
}  # fmt: skip
ENV_ARGS = {
    "env_name": "Lift", "type": 1, "env_version": "1.4.1",
    "env_kwargs": {"robots": ["Panda"], "controller_configs": CONTROLLER, "control_freq": 20},
}  # fmt: skip

HEADER = Header(
    steps=(
        Column(name="actions", dtype="float64", shape=(7,)),
        Column(name="rewards", dtype="float64"),
        Column(name="dones", dtype="int64"),
        Column(name="obs/robot0_eef_pos", dtype="float64", shape=(3,), when="before"),
        Column(name="obs/robot0_eef_quat_site", dtype="float64", shape=(4,), when="before", rotation="xyzw"),
        Column(name="obs/robot0_joint_pos", dtype="float32", shape=(7,), when="before"),
        Column(name="obs/robot0_gripper_qpos", dtype="float64", shape=(2,), when="before"),
        Column(name="obs/agentview_image", dtype="uint8", shape=(8, 10, 3), when="before"),
        Column(name="obs/agentview_mask", dtype="uint8", shape=(8, 10), when="before"),
        Column(name="obs/cube_pos", dtype="float64", shape=(3,), nullable=True, when="before"),
        Column(name="datagen_info/eef_pose", dtype="float64", shape=(4, 4)),
        Column(name="datagen_info/target_pose", dtype="float64", shape=(4, 4)),
    ),
    control_hz=20.0,
    env_args=ENV_ARGS,
)


def episode(index: int, length: int, header: Header = HEADER, **row: Any) -> MemoryEpisode:
    """An episode that wanders about; odd ones lack `obs/cube_pos`."""
    rng = np.random.default_rng(index)
    walk = np.cumsum(rng.normal(0, 0.02, (length, 3)), axis=0) + np.array([0.1, 0.05, 1])
    turn = rotation_from_axis_angle(np.cumsum(rng.normal(0, 0.1, (length, 3)), axis=0) + np.array([3, 0, 0]))
    pose = make(walk, turn)
    columns: dict[str, Any] = {
        "actions": np.hstack([rng.uniform(-0.9, 0.9, (length, 6)), rng.choice([-1.0, 1.0], (length, 1))]),
        "rewards": (np.arange(length) == length - 1).astype(np.float64),
        "dones": (np.arange(length) == length - 1).astype(np.int64),
        "obs/robot0_eef_pos": walk,
        "obs/robot0_eef_quat_site": quat_from_rotation(turn)[:, [1, 2, 3, 0]],
        "obs/robot0_joint_pos": rng.normal(0, 1, (length, 7)).astype(np.float32),
        "obs/robot0_gripper_qpos": rng.uniform(0, 0.04, (length, 1)) * [1, -1],
        "obs/agentview_image": rng.integers(0, 256, (length, 8, 10, 3), dtype=np.uint8),
        "obs/agentview_mask": rng.integers(0, 2, (length, 8, 10), dtype=np.uint8),
        "datagen_info/eef_pose": pose,
        "datagen_info/target_pose": pose @ make(np.array([0, 0, 0.01]), np.eye(3)),
    }
    if index % 2 == 0:
        columns["obs/cube_pos"] = rng.normal(0, 0.1, (length, 3))
    known = {column.name for column in header.steps}
    own = {"episode_index": index, "name": f"demo_{index}", "length": length, "success": index % 3 > 0, "attrs": "{}"}
    return MemoryEpisode({**own, **row}, {name: values for name, values in columns.items() if name in known})


def source(lengths: Sequence[int], header: Header = HEADER) -> MemorySource:
    """Episodes of some lengths, all in one part."""
    members = [episode(index, length, header) for index, length in enumerate(lengths)]
    return MemorySource(header, members, episodes_per_part=max(len(members), 1))


def batch_of(lengths: Sequence[int], header: Header = HEADER) -> Batch:
    """A batch of episodes of some lengths."""
    return Batch.of(source(lengths, header).parts()[0], header)


def streams(batch: Batch, seed: int = 0) -> Callable[[int], np.random.Generator]:
    """As a pipeline gives them: by the episode's own number."""
    return lambda at: rng_for(seed, "step", 0, int(batch.episode_index[at]))


def applied(augmentation: Any, batch: Batch, seed: int = 0) -> Batch:
    """What an augmentation makes of a batch."""
    return augmentation.apply(batch, streams(batch, seed))
