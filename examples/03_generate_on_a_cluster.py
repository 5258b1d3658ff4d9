"""The same words on a cluster of your own: a scheduler's address, and a folder or URL that everyone shares.

Here the "cluster" is two workers on this machine; on a real one, give the address of its scheduler, and an `out` and a
`scratch` that client and workers can all reach (a network folder, s3://...).
"""

import sys
import tempfile
from pathlib import Path

from distributed import LocalCluster

import trajloom as tl


def main(folder: Path) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        cluster_options = {"scheduler": cluster.scheduler_address, "scratch": str(folder / "scratch")}

        # Sources without a human: the scripted expert of the task.
        tl.expert("stack", folder / "sources", episodes=3, seed=1, **cluster_options)

        # Cubes anywhere on the table (D1), failed attempts kept too.
        tl.generate(
            folder / "sources",
            folder / "stack",
            task="stack",
            variant="D1",
            attempts=5,
            seed=8,
            keep_failed=True,
            **cluster_options,
        )
    print(tl.read(folder / "stack").attempts().group_by("success", "reason").len().collect())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(tempfile.mkdtemp()))
