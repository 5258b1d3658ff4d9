"""More data from the data there is: noise, other speeds, a mirrored scene, changed images, chosen episodes, goals.

From a command line: trajloom augment demos.hdf5 more/ --add mirror:unknown=drop --add action_noise:sigma=0.02 --seed 7
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

import trajloom as tl
from trajloom import augment
from trajloom.augment import (
    ActionNoise,
    Filter,
    Goal,
    Mirror,
    ObservationNoise,
    RandomWindows,
    SceneTransform,
    TimeWarp,
)
from trajloom.pipeline import Pipeline

HUMAN = Path(__file__).parent / "data" / "robomimic_lift_ph10_lowdim.hdf5"


class SlowGripper(tl.Augmentation):
    """One of your own: an episode is a nested dict of arrays, as in HDF5."""

    @tl.local_aug
    def apply(self, traj):
        traj = traj.copy()
        actions = traj["actions"].copy()
        actions[1:, 6] = (actions[1:, 6] + actions[:-1, 6]) / 2
        traj["actions"] = actions
        return traj


def main(folder: Path) -> None:
    # What there is, and what can be set.
    print(", ".join(augment.names()))

    # Steps of a pipeline follow each other; nothing runs until the result is asked for.
    pipeline = Pipeline(seed=7)
    pipeline.add(Filter(where="length > 45"))
    pipeline.add(SlowGripper())
    pipeline.add(TimeWarp(sigma=0.2))
    pipeline.add(ActionNoise(sigma=0.02))
    pipeline.add(ObservationNoise(columns=("obs/robot0_eef_pos",), sigma=0.002, kind="correlated"))
    result = pipeline.run(HUMAN)
    print(result.plan)
    result.write(folder / "noisy.hdf5")

    # Left becomes right, in poses, joints and actions. The simulator's flat `states` cannot be mirrored: they go.
    Pipeline().add(Mirror(unknown="drop")).run(HUMAN).write(folder / "mirrored")
    both = tl.merge([tl.read(HUMAN).drop_columns("states"), folder / "mirrored"])
    print(both)

    # Turned and moved scenes, then windows with the goal that they reach. The same from text.
    steps = [SceneTransform(unknown="drop"), RandomWindows(length=20, count=5), Goal(columns=("obs/object",))]
    assert steps[1] == augment.parse("random_windows:length=20,count=5")
    windows = Pipeline(seed=1)
    for step in steps:
        windows.add(step)
    windows.run(HUMAN).write(folder / "windows")
    one = tl.read(folder / "windows").episode(0)
    assert np.array_equal(one["goal"]["object"][0], one["obs"]["object"][-1])
    print(tl.read(folder / "windows"))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
