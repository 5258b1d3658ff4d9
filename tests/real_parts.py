"""Real files with fewer episodes, and otherwise as they came: what is tested with every format must be small."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np


def first_demonstrations(path: Path, out: Path, keep: int = 2) -> Path:
    """Copy an HDF5 file and delete all but its first demonstrations, also from its total and filter keys."""
    shutil.copyfile(path, out)
    out.chmod(0o600)
    with h5py.File(out, "r+") as file:
        data = file["data"]
        names = sorted(data, key=lambda name: int(name.rsplit("_", 1)[1]))
        for name in names[keep:]:
            del data[name]
        if "total" in data.attrs:
            data.attrs.modify("total", sum(len(data[f"{name}/actions"]) for name in names[:keep]))
        for key, members in dict(file.get("mask", {})).items():
            kept = members[np.isin(members[()], np.array(names[:keep], "S"))]
            del file["mask"][key]
            file["mask"][key] = kept
    return out


def first_chunks(path: Path, out: Path, ends: tuple[int, ...] = (20, 35)) -> Path:
    """Copy what a replay buffer of Zarr version 2 has in the first chunk of every array, cut to a few frames.

    Args:
        path: A folder with `data` and `meta/episode_ends`.
        out: Where to.
        ends: The episodes' ends, in frames.
    """
    import numcodecs

    for about in sorted(path.rglob(".z*")):
        (out / about.relative_to(path)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(about, out / about.relative_to(path))
    for about in sorted(out.glob("*/*/.zarray")):
        found, folder = json.loads(about.read_text()), about.parent
        first = ".".join("0" * len(found["shape"]))
        shutil.copyfile(path / folder.relative_to(out) / first, folder / first)
        if folder.name == "episode_ends":
            codec = numcodecs.get_codec(found["compressor"])
            chunk = np.zeros(found["chunks"], found["dtype"])
            chunk[: len(ends)] = ends
            (folder / first).write_bytes(codec.encode(chunk))
        length = len(ends) if folder.name == "episode_ends" else ends[-1]
        about.write_text(json.dumps({**found, "shape": [length, *found["shape"][1:]]}, indent=4))
    return out
