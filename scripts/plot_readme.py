"""Draw docs/lift.png: end-effector paths of the human demonstrations and of what was generated from them.

Needs Matplotlib, which nothing else here does: `python scripts/plot_readme.py demo-output`.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt  # pyright: ignore[reportMissingImports]

import trajloom as tl

PICTURE = Path(__file__).parents[1] / "docs" / "lift.png"


def draw(axes, dataset: tl.Dataset, title: str) -> None:
    for episode in dataset.iter_episodes(columns=["obs/robot0_eef_pos"]):
        x, y, z = episode.columns["obs/robot0_eef_pos"].T * 100
        axes.plot(x, y, z, linewidth=0.8, alpha=0.7)
        axes.scatter(x[-1:], y[-1:], z[-1:], s=8, color="black")
    axes.set(title=title, xlabel="x (cm)", ylabel="y (cm)", zlabel="z (cm)")
    axes.view_init(elev=18, azim=-60)


def main(demo: Path) -> None:
    human, generated = tl.read(demo / "annotated.hdf5"), tl.read(demo / "lift")
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 5), subplot_kw={"projection": "3d"}, sharex=True, sharey=True
    )
    draw(left, human, f"{len(human)} human demonstrations")
    draw(right, generated, f"{len(generated)} generated and verified episodes")
    right.set(xlim=left.get_xlim(), ylim=left.get_ylim(), zlim=left.get_zlim())
    figure.tight_layout()
    PICTURE.parent.mkdir(exist_ok=True)
    figure.savefig(PICTURE, dpi=90)
    print(PICTURE)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
