"""The datasets whose reports are looked at: one of each kind."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from conftest import SHARED_DATA
from in_memory import HEADER, MemoryEpisode, MemorySource, episode, generated
from trajloom.dataset import Dataset, read
from trajloom.schema import Column

HUMAN = Path(__file__).parents[2] / "examples" / "data" / "robomimic_lift_ph10_lowdim.hdf5"
EVIL = """</script><script>alert(1)</script><img src=x onerror=alert(2)> "'& @failure"""
"""Text that would run, if any of it came onto the page as it is."""


def arms(episodes: int, length: int = 60, *, failures: bool = True) -> Dataset:
    """Two arms that reach for two cubes, from attempts of which some failed, with an image and names full of malice."""
    rng = np.random.default_rng(0)
    wanted = generated([], episodes)
    steps = (
        *HEADER.steps,
        *(Column(name=f"obs/robot{i}_eef_pos", dtype="float32", shape=(3,), unit="m") for i in (0, 1)),
        *(Column(name=f"datagen_info/object_poses/{name}", dtype="float64", shape=(4, 4)) for name in ("cubeA", EVIL)),
    )
    header = wanted.header.with_(steps=steps, warnings=(EVIL,), episodes=(), eefs=())
    members = []
    for i in range(episodes):
        plain = episode(i, length + i % 17)
        n, columns = length + i % 17, dict(plain.columns)
        for arm in (0, 1):
            target = rng.uniform(-0.2, 0.2, 3) + np.array([arm * 0.5, 0, 0.9])
            along = (1 - np.cos(np.linspace(0, np.pi, n))) / 2
            columns[f"obs/robot{arm}_eef_pos"] = (along[:, None] * target + rng.normal(0, 0.002, (n, 3))).astype("f4")
        for name in ("cubeA", EVIL):
            pose = np.eye(4)
            pose[:3, 3] = [*rng.uniform(-0.15, 0.15, 2), 0.82]
            columns[f"datagen_info/object_poses/{name}"] = np.tile(pose, (n, 1, 1))
        columns["actions"] = np.clip(rng.normal(0, 0.5, (n, 3)), -1, 1)
        own = {key: value for key, value in plain.row.items() if "/" not in key}
        success = bool(i % 4) or not failures
        members.append(MemoryEpisode({**own, "name": f"{EVIL} {i}", "success": success, "task": "lift"}, columns))
    rows = [
        {**row, "success": bool(k % 4), "failed_subtask": None if k % 4 else k % 3, "reason": None if k % 4 else
         f"{(EVIL, 'cube was dropped', 'success does not hold in the end')[k % 3]}; at step {k}"}
        for k, row in enumerate(wanted.attempt_rows)
    ]  # fmt: skip
    return Dataset(MemorySource(header, members, attempt_rows=rows, episodes_per_part=50))


def shared(name: str) -> Callable[[], Dataset | None]:
    """A real dataset that does not ship; None where it is absent."""
    return lambda: read(SHARED_DATA / name) if (SHARED_DATA / name).exists() else None


CASES: dict[str, Callable[[], Any]] = {
    "generated": lambda: arms(120),
    "human": lambda: read(HUMAN),
    "human_images": shared("robomimic_lift_ph3_image.hdf5"),
    "lerobot": shared("lerobot_v2.0_gr00t_pick_place"),
    "no_success": shared("pusht_first3.zarr"),
    "empty": lambda: Dataset(MemorySource(HEADER, [])),
}
