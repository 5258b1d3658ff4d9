"""Augmentations of your own over a file of demonstrations: one episode at a time, or all at once."""

import argparse
import tempfile
from pathlib import Path

import numpy as np

from trajloom import Augmentation, Pipeline, global_aug, hdf5_to_rdd, local_aug, write_trajectories_to_hdf5

HUMAN = Path(__file__).parent / "data" / "robomimic_lift_ph10_lowdim.hdf5"


class AddNoise(Augmentation):
    """Noise on the actions of each episode; the pipeline seeds `np.random`, so it is the same in every run."""

    def __init__(self, noise_scale: float = 0.01):
        self.noise_scale = noise_scale

    @local_aug
    def apply(self, traj):
        noisy = traj.copy()
        noisy["actions"] = traj["actions"] + np.random.normal(0, self.noise_scale, traj["actions"].shape)  # noqa: NPY002
        return noisy


class Splice(Augmentation):
    """The first half of an episode, then the second half of another."""

    @global_aug
    def apply(self, trajs):
        first, second = (trajs[i]["actions"] for i in np.random.choice(len(trajs), 2, replace=False))  # noqa: NPY002
        return [{"actions": np.concatenate([first[: len(first) // 2], second[len(second) // 2 :]])}]


def main(source: Path, output: Path, num_demos: int) -> None:
    demos = hdf5_to_rdd(None, source)
    print(f"{demos.count()} demonstrations")

    # Nothing runs before it is asked for; a plan can be printed.
    noisy = Pipeline(seed=7).add(AddNoise(noise_scale=0.01)).run(demos)
    print(noisy.plan)
    noisy.write(output)
    print(output)

    # All episodes at once, so many times; without the originals only what is new.
    spliced = Pipeline(seed=7).add(Splice(times=num_demos, keep_original=False)).run(noisy).collect()
    write_trajectories_to_hdf5(spliced, output.with_name("spliced.hdf5"))
    print(f"{len(spliced)} spliced episodes of {sum(len(traj['actions']) for traj in spliced)} steps")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, help="where the output goes, unless --output says it")
    parser.add_argument("--source", type=Path, default=HUMAN)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--num-demos", type=int, default=5, help="spliced episodes")
    given = parser.parse_args()
    main(given.source, given.output or (given.folder or Path(tempfile.mkdtemp())) / "noisy.hdf5", given.num_demos)
