"""The Dask cluster that a run works on: one that nobody has to think about, or the user's own."""

import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import fsspec
from dask import config
from distributed import Client, Future, LocalCluster, wait

from trajloom.errors import RunError
from trajloom.generation.worker import PROBE, check_worker
from trajloom.run.own_chance import OwnChance

PATIENCE = 120.0
"""Seconds to wait for a worker where there is none."""

ENVIRON = {
    # one thread for BLAS: the bits of a run must not depend on the number of cores
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # nothing is drawn there, and looking for a window system takes MuJoCo longer than the rest of its import
    "MUJOCO_GL": "off",
    # the order of a set of texts is the same in all workers; Dask would set it
    "PYTHONHASHSEED": "6640",
}
"""What is in the environment of a worker from its start, where the user has set nothing else."""

LOCAL = {
    # a worker that dies costs its unit a retry, attempt by attempt, which `drive` does
    "distributed.scheduler.allowed-failures": 0,
    # units are few and long: none waits in a worker's queue, where the death of the worker would hit it too
    "distributed.scheduler.worker-saturation": 1.0,
    "distributed.scheduler.work-stealing": False,
    # a worker that crashes again while its process restarts is not given up
    "distributed.deploy.lost-worker-timeout": "1 hour",
    "distributed.admin.large-graph-warning-threshold": "1GB",
    # Dask samples the stack of every task, which costs Python code a tenth of its speed
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "5s",
    "distributed.nanny.pre-spawn-environ": ENVIRON,
}


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def connect(
    workers: int | None,
    envs_per_worker: int,
    scheduler: Client | str | None,
    settings: Mapping[str, Any] | None = None,
) -> Iterator[Client]:
    """A client of the user's cluster, or of a local one that lives as long as the run.

    Args:
        workers: Processes of the local cluster; None is as many as give every core one thread.
        envs_per_worker: Threads of each, with an environment of their own.
        scheduler: The user's cluster, by its address or a client of it, which stays open; its workers are used as
            they are.
        settings: Of Dask, for a local cluster, besides LOCAL.
    """
    if isinstance(scheduler, Client):
        yield scheduler
        return
    if scheduler is not None:
        with Client(scheduler, set_as_default=False) as client:
            yield client
        return
    with (
        config.set({**LOCAL, **(settings or {})}),
        LocalCluster(
            n_workers=workers or max(1, cores() // envs_per_worker),
            threads_per_worker=envs_per_worker,
            processes=True,
            # a worker that the system kills for its memory is retried like any that dies; Dask's watch costs more
            memory_limit=None,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def check_workers(client: Client, scratch: str) -> dict[str, str]:
    """Prove that every worker shares `scratch` and that all have the same versions; return them.

    Workers are also kept from disturbing the global generators, which a run's foreign code is seeded with.
    """
    client.register_plugin(OwnChance())
    fs, folder = fsspec.core.url_to_fs(scratch)
    fs.makedirs(folder, exist_ok=True)
    with fsspec.open(f"{scratch}/{PROBE}", "wt") as file:
        file.write("written by the client, read by every worker\n")  # pyright: ignore
    if not client.nthreads():
        client.wait_for_workers(1, timeout=60)
    found: dict[str, dict[str, str]] = client.run(check_worker, scratch)  # pyright: ignore
    kinds = {tuple(sorted(versions.items())) for versions in found.values()}
    if len(kinds) > 1:
        raise RunError(f"workers have different versions, so their results would differ: {found}")
    return dict(kinds.pop())


def first_done(client: Client, futures: Iterable[Future]) -> set[Future]:
    """Wait for the first of some futures; RunError where there is no worker left to finish any."""
    alone_since: float | None = None
    while True:
        with suppress(TimeoutError), client.as_current():
            return wait(list(futures), timeout=PATIENCE / 10, return_when="FIRST_COMPLETED").done
        if threads_of(client):
            alone_since = None
        elif alone_since is None:
            alone_since = time.monotonic()
        elif time.monotonic() - alone_since > PATIENCE:
            raise RunError(f"no worker is left, and none came back in {PATIENCE:.0f} s; what was committed is kept")


def threads_of(client: Client) -> int:
    """Tasks that its workers run at the same time."""
    return sum(client.nthreads().values())  # pyright: ignore
