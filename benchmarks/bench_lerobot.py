"""Writing LeRobot datasets, against LeRobot's own writer doing the same: episodes of state data, and of images as PNG.

Claims: at least 20 times LeRobot's writer for state data, at least 5 times with images as PNG.

LeRobot lives in an environment of its own (made by scripts/interop_lerobot.sh); its turns run there, in a process of
their own that times the writing alone.

    python benchmarks/bench_lerobot.py [PYTHON OF LEROBOT'S ENVIRONMENT]
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from measure import machine, median, row
from trajloom import tables
from trajloom.formats import lerobot
from trajloom.schema import ATTEMPTS, Column, Header

STEPS, ROUNDS = 150, 3
NUMBERS = {"actions": (7,), **{f"obs/key{i}": (8,) for i in range(10)}}
IMAGES = {"obs/top": (84, 84, 3), "obs/wrist": (84, 84, 3)}
THEIRS = """
import os, sys, time, shutil, tempfile
os.environ["HF_HUB_OFFLINE"] = "1"
import numpy as np, torch
if not hasattr(torch.ops.torchvision, "nms"):
    missing = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        missing.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
from lerobot.datasets.lerobot_dataset import LeRobotDataset
images, episodes = sys.argv[1] == "images", int(sys.argv[2])
shapes = {"action": (7,), **{f"observation.key{i}": (8,) for i in range(10)}}
features = {k: {"dtype": "float32", "shape": s, "names": None} for k, s in shapes.items()}
if images:
    for k in ("top", "wrist"):
        names = ["height", "width", "channels"]
        features[f"observation.images.{k}"] = {"dtype": "image", "shape": (84, 84, 3), "names": names}
made = dict(np.load(sys.argv[3]))
root = tempfile.mkdtemp() + "/out"
start = time.perf_counter()
dataset = LeRobotDataset.create("bench/x", fps=20, features=features, root=root, use_videos=False,
                                image_writer_threads=4 if images else 0)
for _ in range(episodes):
    for t in range(150):
        dataset.add_frame({**{k: made[k][t] for k in features}, "task": "lift"})
    dataset.save_episode()
dataset.finalize()
print(time.perf_counter() - start)
shutil.rmtree(root)
"""


class Repeated:
    """One episode again and again. Implements `formats.Source` and `formats.Part`."""

    def __init__(self, columns: dict[str, np.ndarray], episodes: int):
        steps = tuple(Column(name=n, dtype=str(v.dtype), shape=v.shape[1:]) for n, v in columns.items())
        self.header = Header(steps=steps, control_hz=20.0)
        self._batches = [tables.steps_batch(self.header, i, columns) for i in range(episodes)]
        rows = [{"episode_index": i, "name": f"demo_{i}", "length": STEPS, "task": "lift", "attrs": "{}"}
                for i in range(episodes)]  # fmt: skip
        self._episodes = tables.episodes_table(self.header, rows)
        self.num_episodes, self.num_steps = episodes, episodes * STEPS

    def parts(self):
        return [self]

    def models(self):
        return {}

    def steps(self, columns=None):
        return iter(self._batches)

    def episodes(self):
        return self._episodes

    def attempts(self):
        return ATTEMPTS.empty_table()

    def rest(self):
        return iter(())


def episode(images: bool) -> dict[str, np.ndarray]:
    """Numbers drawn at random; images with a smooth background, edges and some noise, as a camera gives."""
    rng = np.random.default_rng(0)
    columns: dict[str, np.ndarray] = {
        name: rng.normal(size=(STEPS, *shape)).astype(np.float32) for name, shape in NUMBERS.items()
    }
    for name, shape in IMAGES.items() if images else ():
        ramp = np.linspace(40, 200, 84)[None, :, None, None] + np.linspace(0, 40, 84)[None, None, :, None]
        frames = np.broadcast_to(ramp, (STEPS, *shape)).copy()
        frames[:, 30:60, 20:50] = rng.integers(0, 255, 3)
        columns[name] = np.clip(frames + rng.normal(0, 2, frames.shape), 0, 255).astype(np.uint8)
    return columns


def ours(source: Repeated) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        lerobot.write(source, f"{folder}/out")
        return time.perf_counter() - start


def theirs(python: str, kind: str, episodes: int, made: Path) -> float:
    command = [python, "-c", THEIRS, kind, str(episodes), str(made)]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(out.stdout.split()[-1])


def compare(kind: str, python: str, folder: Path) -> None:
    images = kind == "images"
    columns = episode(images)
    names = {"actions": "action", **{n: n.replace("obs/", "observation.images.") for n in IMAGES}}
    arrays = {names.get(n, n.replace("/", ".").replace("obs.", "observation.")): v for n, v in columns.items()}
    made = folder / f"{kind}.npz"
    np.savez(made, **arrays)
    number = 20 if images else 200
    source, few = Repeated(columns, number), 3 if images else 10
    ours(source)
    pairs = [(ours(source) / number, theirs(python, kind, few, made) / few) for _ in range(ROUNDS)]
    mine, other = (median([pair[i] for pair in pairs]) for i in (0, 1))
    row(kind, mine * 1e3, other * 1e3, median([b / a for a, b in pairs]))


if __name__ == "__main__":
    given = sys.argv[1] if len(sys.argv) > 1 else ".venv-lerobot/bin/python"
    print(f"ms an episode of {STEPS} steps; {machine()}\n")
    row("data", "ours", "lerobot", "times")
    row("---", "---", "---", "---")
    with tempfile.TemporaryDirectory() as scratch:
        for what in ("state", "images"):
            compare(what, given, Path(scratch))
