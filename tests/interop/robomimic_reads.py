"""robomimic's own SequenceDataset reads files of ours. Run by `make interop`, in robomimic's environment."""

import json
import sys

import h5py
import numpy as np
from robomimic.utils.dataset import SequenceDataset

OBSERVATIONS = ("robot0_eef_pos", "robot0_eef_quat", "robot0_gripper_qpos", "object")
LENGTH = 10


def check(path: str) -> None:
    with h5py.File(path) as file:
        demos = sorted(file["data"], key=lambda name: int(name.removeprefix("demo_")))
        steps = sum(len(file[f"data/{demo}/actions"]) for demo in demos)
        first = file[f"data/{demos[0]}/actions"][:LENGTH]
        assert json.loads(file["data"].attrs["env_args"])["env_name"] == "Lift"
        assert all(file[f"data/{demo}"].attrs["num_samples"] == len(file[f"data/{demo}/actions"]) for demo in demos)
        masks = list(file.get("mask", ()))
    for filter_by in (None, *masks):
        dataset = SequenceDataset(
            hdf5_path=path,
            obs_keys=OBSERVATIONS,
            dataset_keys=("actions", "rewards", "dones"),
            seq_length=LENGTH,
            pad_seq_length=True,
            hdf5_cache_mode=None,
            hdf5_use_swmr=False,
            load_next_obs=False,
            filter_by_attribute=filter_by,
        )
        item = dataset[0]
        assert item["actions"].shape == (LENGTH, 7)
        assert item["obs"]["robot0_eef_pos"].shape == (LENGTH, 3)
        assert np.isfinite(item["obs"]["object"]).all()
        if filter_by is None:
            assert len(dataset) == steps, (len(dataset), steps)
            np.testing.assert_array_equal(item["actions"], first)
        print(f"robomimic reads {path}: filter {filter_by}, {len(dataset)} windows")


if __name__ == "__main__":
    for given in sys.argv[1:]:
        check(given)
