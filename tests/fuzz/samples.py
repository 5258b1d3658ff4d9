"""Small files of every format to damage: what we write, and real ones that are small enough."""

import shutil
from pathlib import Path

import in_memory
from trajloom import formats
from trajloom.dataset import NATIVE, Dataset

REAL = {
    "hdf5": ["robosuite_1.0.1_lift/demo.hdf5"],
    "lerobot": ["lerobot_v3.0_apple_storage"],
    "mcap": ["rosbag2_2025_09_10-13_03_56_0.mcap"],
    "rlds": ["rlds_bridge"],
}
"""Format -> real files, from the folder of those that do not ship."""


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
