"""Write folders for LeRobot to read, each with what it should hold beside it. Run by scripts/interop_lerobot.sh.

python tests/interop/lerobot_writes.py OUT HDF5...
"""

import sys
from pathlib import Path

import numpy as np

from trajloom.dataset import read
from trajloom.formats.lerobot import WriteOptions, write
from trajloom.formats.lerobot.plan import natives


def export(source: Path, out: Path, images: str) -> Path:
    dataset, options = read(source), WriteOptions(images=images)
    write(dataset.source, out, options=options)
    arrays: dict[str, list[np.ndarray]] = {"episode_index": []}
    names = {native.source: native.name for native in natives(dataset.header, options)}
    for number, episode in enumerate(dataset.iter_episodes()):
        arrays["episode_index"].append(np.full(episode.row["length"], number))
        for name, values in episode.columns.items():
            if name in names:
                # LeRobot has no arrays of one number
                found = values.reshape(len(values)) if values.shape[1:] == (1,) else values
                arrays.setdefault(names[name], []).append(found)
    np.savez(f"{out}.npz", **{name: np.concatenate(pieces) for name, pieces in arrays.items()})
    return out


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for given in map(Path, sys.argv[2:]):
        for kind in ("png", "mp4"):
            print(export(given, folder / f"{given.stem}_{kind}", kind))
