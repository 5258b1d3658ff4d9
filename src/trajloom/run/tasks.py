"""Many independent tasks on Dask: a function, what to call it with, and results as they come.

>>> with cluster(workers=2, scratch="/shared/scratch") as client:  # doctest: +SKIP
...     for number, result in run_tasks(client, convert, paths):
...         print(f"{paths[number]}: {result}")

It needs no simulator.
"""

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import fsspec
from dask import config
from distributed import Client, Future
from distributed.scheduler import KilledWorker

from trajloom.errors import RunError
from trajloom.generation.worker import PROBE
from trajloom.run.cluster import ENVIRON, check_workers, connect, first_done, threads_of
from trajloom.run.spawning import imported_once, without_main

QUIET = {"distributed.admin.large-graph-warning-threshold": "1GB"}
IMPORTED = ("distributed", "trajloom.generation.worker", "trajloom.run.own_chance")
"""What a worker imports before it can do anything."""


@contextmanager
def cluster(
    client: Client | str | None = None, *, workers: int | None = None, threads: int = 1, scratch: str | None = None,
    imported: Sequence[str] = (),
) -> Iterator[Client]:  # fmt: skip
    """The user's cluster, or a local one for as long as the block lasts.

    Args:
        client: A Dask client, which stays open, or the address of a scheduler; None starts a local cluster.
        workers: Processes of the local cluster; None is as many as give every core one thread.
        threads: Threads of each of them.
        scratch: A folder or URL that client and workers are to share, made where it is not there: each worker proves
            that it reads what the client writes there. None does without.

    Raises:
        RunError: A worker cannot read `scratch`, or workers have different versions.
    """
    importing = imported_once([*IMPORTED, *imported], ENVIRON) if client is None else nullcontext({})
    with (
        without_main(),
        importing as settings,
        connect(workers, threads, client, settings) as connected,
    ):
        if scratch is not None:
            scratch = scratch if "://" in scratch else os.path.abspath(scratch)
            check_workers(connected, scratch)
            fs, probe = fsspec.core.url_to_fs(f"{scratch}/{PROBE}")
            fs.rm(probe)
        yield connected


def run_tasks(
    client: Client, function: Callable[[Any], Any], arguments: Iterable[Any], *, in_flight: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Call a function with each of many arguments, on the workers; yield (number of the argument, result) as they come.

    A task whose worker is lost is tried once more, while nothing else runs. The first error, or an end of the loop that
    takes the results, cancels what is still to be done.

    Args:
        client: Of the cluster.
        function: Takes one argument; it and all arguments and results are pickled, so let them be small: paths, not
            data.
        arguments: Taken as they are needed, so there may be any number.
        in_flight: How many tasks may be submitted at a time; None is somewhat more than there are threads.

    Raises:
        RunError: A task lost its worker twice, or no worker is left.
        Exception: What the function raised.
    """
    job = _Job(client, function, f"{getattr(function, '__name__', 'task')}-{uuid.uuid4().hex[:8]}")
    numbered = enumerate(arguments)
    try:
        while True:
            most = in_flight or threads_of(client) + max(1, threads_of(client) // 4)
            while len(job.pending) < most and not job.suspects and (task := next(numbered, None)) is not None:
                job.submit(*task)
            if job.pending:
                yield from job.collect()
            elif job.suspects:
                yield job.again(*job.suspects.pop(0))
            else:
                return
    finally:
        client.cancel(list(job.pending), force=True)


class _Job:
    """The tasks that are under way."""

    def __init__(self, client: Client, function: Callable[[Any], Any], name: str):
        self.client, self.function, self.name = client, function, name
        self.pending: dict[Future, tuple[int, Any]] = {}
        self.suspects: list[tuple[int, Any]] = []
        """Tasks whose worker was lost: one of them did it, or one that ran beside them."""

    def submit(self, number: int, argument: Any, again: str = "") -> Future:
        with config.set(QUIET):
            future = self.client.submit(self.function, argument, key=f"{self.name}-{number}{again}", pure=False)
        self.pending[future] = (number, argument)
        return future

    def collect(self) -> Iterator[tuple[int, Any]]:
        """Wait for some tasks; yield their results, and put those that lost their worker among the suspects."""
        for future in first_done(self.client, self.pending):
            task = self.pending.pop(future)
            error = future.exception() if future.status == "error" else None
            if isinstance(error, KilledWorker):
                self.suspects.append(task)
            else:
                result = future.result()
                future.release()
                yield task[0], result

    def again(self, number: int, argument: Any) -> tuple[int, Any]:
        """The result of a task that may have lost its worker; nothing else is under way."""
        future = self.submit(number, argument, "-again")
        first_done(self.client, [future])
        del self.pending[future]
        try:
            return number, future.result()
        except KilledWorker as error:
            raise RunError(
                f"task {number} ({_short(argument)}) took its worker with it twice: it crashed, or ran out of memory"
            ) from error


def _short(argument: Any) -> str:
    text = repr(argument)
    return text if len(text) <= 120 else f"{text[:117]}..."
