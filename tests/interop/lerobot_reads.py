"""LeRobot's own LeRobotDataset reads folders of ours, frame by frame. Run by scripts/interop_lerobot.sh, in LeRobot's
environment, on folders and what they should hold (`<folder>.npz`, arrays by feature, images as uint8).

    python tests/interop/lerobot_reads.py FOLDER...
"""

import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import av
import numpy as np
import torch

# torchvision for another build of torch lacks its compiled operators, of which LeRobot's datasets need none
if not hasattr(torch.ops.torchvision, "nms"):
    missing = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        missing.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from lerobot.datasets.lerobot_dataset import LeRobotDataset

LOSSY = 6.0
"""Levels of 255 by which pixels of videos may differ in the mean."""


def check(path: str) -> None:
    dataset = LeRobotDataset("trajloom/interop", root=path)
    wanted = np.load(f"{path}.npz")
    names = set(wanted.files) - {"episode_index"}
    assert names <= set(dataset.features), names - set(dataset.features)
    assert len(dataset) == len(wanted["episode_index"]) == dataset.meta.total_frames
    assert {"mean", "std", "q01", "q99"} <= set(dataset.meta.stats["action"])
    videos = set(dataset.meta.video_keys)
    for i in range(len(dataset)):
        # LeRobot reads videos through torchvision's or torchcodec's compiled parts; see `check_video`
        item = dataset.hf_dataset[i] if videos else dataset[i]
        assert item["index"] == i
        assert item["episode_index"] == wanted["episode_index"][i]
        for name in names - videos:
            same(item[name], wanted[name][i], f"{path}: {name}, row {i}")
    for name in videos:
        check_video(dataset, name, wanted[name])
    print(f"lerobot reads {path}: {dataset.num_episodes} episodes, {len(dataset)} frames, {', '.join(sorted(names))}")


def same(found: torch.Tensor, wanted: np.ndarray, where: str) -> None:
    if wanted.dtype == np.uint8 and wanted.ndim == 3:
        found = (found * 255).round().to(torch.uint8).permute(1, 2, 0)
    # LeRobot makes float32 of every float
    kind = np.float32 if wanted.dtype.kind == "f" else wanted.dtype
    np.testing.assert_array_equal(found.numpy().astype(kind), wanted.astype(kind), err_msg=where)


def check_video(dataset: LeRobotDataset, name: str, wanted: np.ndarray) -> None:
    """Each frame lies at the time in the file that the metadata says, to LeRobot's own tolerance."""
    for number in range(dataset.meta.total_episodes):
        episode = dataset.meta.episodes[number]
        with av.open(str(dataset.root / dataset.meta.get_video_file_path(number, name))) as container:
            frames = {
                round(float(frame.time), 6): frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)
            }
        for i in range(episode["dataset_from_index"], episode["dataset_to_index"]):
            at = episode[f"videos/{name}/from_timestamp"] + dataset.hf_dataset[i]["timestamp"].item()
            nearest = min(frames, key=lambda time: abs(time - at))
            assert abs(nearest - at) < dataset.tolerance_s, (nearest, at)
            off = np.abs(frames[nearest].astype(int) - wanted[i].astype(int)).mean()
            assert off < LOSSY, f"{name}, row {i}: {off} levels off"


if __name__ == "__main__":
    for given in sys.argv[1:]:
        check(given)
