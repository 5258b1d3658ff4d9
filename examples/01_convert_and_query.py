"""Read demonstrations from robomimic's HDF5, ask questions with Polars, keep them as Parquet, and get the file back."""

import sys
import tempfile
from pathlib import Path

import polars as pl

import trajloom as tl

HUMAN = Path(__file__).parent / "data" / "robomimic_lift_ph10_lowdim.hdf5"


def main(folder: Path) -> None:
    demos = tl.read(HUMAN)
    print(demos)

    # Episodes are a table; so are their steps. Nothing is read before `collect`.
    lengths = demos.episodes().select("name", "length", "splits").sort("length", descending=True)
    print(lengths.collect())

    # A dataset of ours is a folder of Parquet that anything can open.
    demos.write(folder / "demos")
    steps = tl.read(folder / "demos").steps()
    height = pl.col("obs/robot0_eef_pos").ext.storage().arr.get(2)
    print(
        steps.group_by("episode_index")
        .agg(lowest_m=height.min(), highest_m=height.max())
        .sort("episode_index")
        .collect()
    )

    # And back: the same attributes, masks, groups and bytes.
    tl.read(folder / "demos").write(folder / "again.hdf5")
    print(folder / "again.hdf5")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
