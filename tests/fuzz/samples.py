"""Small files of every format to damage: what we write, and real ones that are small enough."""

import shutil
from pathlib import Path

import in_memory
import mcap_files
import rlds_files
import robodm_files
from trajloom import formats
from trajloom.dataset import NATIVE, Dataset

REAL = {
    "hdf5": ["robosuite_1.0.1_lift/demo.hdf5"],
    "lerobot": ["lerobot_v3.0_apple_storage"],
    "mcap": ["rosbag2_2025_09_10-13_03_56_0.mcap"],
    "rlds": ["rlds_bridge"],
}
"""Format -> real files, from the folder of those that do not ship."""


def _mcap(folder: Path) -> list[str]:
    """A log of JSON in chunks, one of them compressed, and a folder of logs of ROS 2."""
    mixed = [(f"/{'ab'[i % 2]}", 10 * i, {"x": [i, 1.5], "deep": {"y": i % 3 == 0}}) for i in range(40)]
    (folder / "bag").mkdir()
    for number in range(2):
        messages = [(20 * i, {"position": [i, 0.5, -i], "ready": i > 2, "name": "arm"}) for i in range(5)]
        mcap_files.ros2_log(folder / "bag" / f"bag_{number}.mcap", mcap_files.STATUS, "toy_msgs/Status", messages)
    return [
        mcap_files.json_log(folder / "plain.mcap", mixed),
        mcap_files.json_log(folder / "zstd.mcap", mixed, compression=mcap_files.CompressionType.ZSTD),
        str(folder / "bag"),
    ]


def _rlds(folder: Path) -> list[str]:
    """Two splits, with a description and without."""
    records = [rlds_files.example(rlds_files.episode(length)) for length in (3, 1, 2)]
    splits = {"train": records[:2], "val": records[2:]}
    return [str(rlds_files.write(folder / "described", splits)), str(rlds_files.write(folder / "bare", splits, None))]


def _robodm(folder: Path) -> list[str]:
    """A trajectory of numbers, and one with a video."""
    made = robodm_files.trajectory()
    numbers = {name: written for name, written in made.items() if written.codec == "pyarrow_batch"}
    return [
        str(robodm_files.write(folder / f"{kind}.vla", features))
        for kind, features in {"numbers": numbers, "video": made}.items()
    ]


MADE = {"mcap": _mcap, "rlds": _rlds, "robodm": _robodm}
"""Format that we only read -> makes small datasets in it."""


def samples(name: str, folder: Path, real: Path) -> list[str]:
    """Paths of small datasets in a format."""
    found = [str(real / path) for path in REAL.get(name, []) if (real / path).exists()]
    if name in [NATIVE, *formats.names("write")]:
        suffix = "" if name == NATIVE else (formats.get(name).SUFFIXES or ("",))[0]
        for kind, source in {"plain": in_memory.source((3, 1, 4)), "made": in_memory.generated([0, 2], 3)}.items():
            path = folder / name / f"{kind}{suffix}"
            path.parent.mkdir(exist_ok=True)
            Dataset(source).write(path, to=name)
            found.append(str(path))
    if name in MADE:
        (folder / name).mkdir(exist_ok=True)
        found += MADE[name](folder / name)
    return [_shorter(path, folder) for path in found]


def _shorter(path: str, folder: Path) -> str:
    """A folder without its large files, so that a case takes no longer than it must."""
    if not Path(path).is_dir():
        return path
    target = folder / "short" / Path(path).parent.name / Path(path).name
    if not target.exists():
        large = shutil.ignore_patterns("*.mp4")
        shutil.copytree(path, target, ignore=large)
    return str(target)
