"""Files as Isaac Lab, SimScaleAI and DataAug Platform write them, made with h5py."""

# h5py's types allow a group wherever a dataset may be
# pyright: reportIndexIssue=false, reportAttributeAccessIssue=false

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np


def isaaclab(path: Path, *, version: int | None = 1, lengths: Sequence[int] = (4, 1, 3), seed: int = 0) -> None:
    """Isaac Lab's recorder and its MimicGen: states after the step, one row of initial state, gzip."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        if version is not None:
            file.attrs["format_version"] = version
        data = file.create_group("data")
        data.attrs["total"] = sum(lengths)
        sim = {"dt": 0.01, "decimation": 2, "render_interval": 2, "num_envs": 1}
        data.attrs["env_args"] = json.dumps({"env_name": "Isaac-Stack-v0", "type": 2, "sim_args": sim})
        for i, length in enumerate(lengths):
            demo = data.create_group(f"demo_{i}")
            demo.attrs["num_samples"] = length
            demo.attrs["seed"] = 5 + i
            demo.attrs["success"] = i % 2 == 0
            _packed(demo, _isaac_episode(rng, length))


def _isaac_episode(rng: np.random.Generator, length: int) -> dict[str, Any]:
    def scene(rows: int) -> dict[str, Any]:
        robot = {"root_pose": 7, "root_velocity": 6, "joint_position": 9, "joint_velocity": 9}
        return {
            "articulation": {"robot": {key: _random(rng, rows, n) for key, n in robot.items()}},
            "rigid_object": {"cube_1": {"root_pose": _random(rng, rows, 7), "root_velocity": _random(rng, rows, 6)}},
        }

    return {
        "actions": _random(rng, length, 7),
        "processed_actions": _random(rng, length, 8),
        "initial_state": scene(1),
        "states": scene(length),
        "obs": {
            "eef_pos": _random(rng, length, 3),
            "table_cam": rng.integers(0, 256, (length, 4, 5, 3), dtype=np.uint8),
            "datagen_info": {
                "eef_pose": {"franka": _random(rng, length, 4, 4)},
                "object_pose": {"cube_1": _random(rng, length, 4, 4)},
                "subtask_term_signals": {"grasp_1": rng.integers(0, 2, length).astype(bool)},
            },
        },
    }


def simscaleai(path: Path, *, names: str = "episode_{:05d}", lengths: Sequence[int] = (4, 1, 3), seed: int = 0) -> None:
    """SimScaleAI's serial generator: episodes in the root."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            env_name="reach", n_episodes=len(lengths), policy_type="scripted", domain_randomization=True, seed=42
        )
        for i, length in enumerate(lengths):
            obs = {key: rng.normal(size=(length, n)) for key, n in {"joint_pos": 7, "ee_pos": 3}.items()}
            arrays = {"observations": obs, "actions": rng.normal(size=(length, 4)), "rewards": rng.normal(size=length)}
            _packed(file.create_group(names.format(i)), arrays)


def dataaug(path: Path, *, lengths: Sequence[int] = (4, 1, 3), seed: int = 0) -> None:
    """DataAug Platform's writer: no attributes, no compression, scalars among the arrays."""
    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for i, length in enumerate(lengths):
            demo = file.create_group(f"data/demo_{i}")
            demo["actions"] = rng.normal(size=(length, 7))
            demo["states"] = rng.normal(size=(length, 32))
            demo["obs/robot0_eef_pos"] = rng.normal(size=(length, 3))
            demo["initial_state/states"] = rng.normal(size=(32,))
            demo["success"] = i % 2 == 0
            demo["src_demo_inds"] = np.arange(2)
            demo["src_demo_labels"] = rng.integers(0, 3, (length, 1))


def _random(rng: np.random.Generator, *shape: int) -> Any:
    return rng.normal(size=shape).astype(np.float32)


def _packed(group: h5py.Group, arrays: Mapping[str, Any]) -> None:
    for name, values in arrays.items():
        if isinstance(values, Mapping):
            _packed(group.create_group(name), values)
        else:
            group.create_dataset(name, data=values, compression="gzip")
