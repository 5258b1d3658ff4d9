"""Where the tasks of a pipeline run: in this process where there is but one, else on Dask."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any

MAX_ARGUMENT = 1 << 20
"""Bytes above which what a task needs is data rather than a path to it."""


class Crew:
    """The workers of one run. Those of its own start when the first task needs them."""

    def __init__(self, client: Any, workers: int | None, scratch: str):
        """Prepare it.

        Args:
            client: A Dask client, the address of a scheduler, or None for a local cluster.
            workers: Processes of the local cluster; with 1 there is none, and tasks run in this process.
            scratch: A folder or URL that client and workers share.
        """
        self._given, self._workers, self._scratch = client, workers, scratch
        self.small = False
        """Whether the data is so small that starting a cluster takes longer than working on it, so that this process
        does it unless a cluster or workers were asked for."""
        self._starter = ThreadPoolExecutor(1)
        self._starting: Future[Any] | None = None
        self._open = ExitStack()
        self._client: Any = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._starter.shutdown()
        self._open.close()

    def is_here(self, tasks: int) -> bool:
        """Whether so many tasks run in this process."""
        alone = tasks <= 1 or self._workers == 1 or (self.small and self._workers is None)
        return self._given is None and self._client is None and alone

    def start(self) -> None:
        """Let a local cluster start while this process does something else."""
        if self._given is None and self._workers != 1 and self._starting is None:
            self._starting = self._starter.submit(self._connect)

    def client(self) -> Any:
        """The Dask client; a local cluster is started where there is none yet."""
        if self._client is None:
            self._client = self._connect() if self._starting is None else self._starting.result()
        return self._client

    def _connect(self) -> Any:
        from trajloom.run.tasks import cluster

        own = cluster(self._given, workers=self._workers, scratch=self._scratch, imported=("trajloom.pipeline.units",))
        return self._open.enter_context(own)

    def run(
        self, function: Callable[[Any], Any], arguments: Sequence[Any], *, in_flight: int | None = None
    ) -> Iterator[Any]:
        """The function's results, as they come; see `run.tasks.run_tasks`."""
        if self.is_here(len(arguments)):
            yield from map(function, arguments)
            return
        from trajloom.run.tasks import run_tasks

        for _, result in run_tasks(self.client(), function, arguments, in_flight=in_flight):
            yield result

    def everywhere(self, function: Callable[[], Any]) -> None:
        """Call a function once in this process and in each worker."""
        function()
        if self._client is not None:
            self._client.run(function)


def is_small(thing: Any) -> bool:
    """Whether something can be sent to a worker as it is: it pickles, and is no data."""
    try:
        return len(pickle.dumps(thing)) <= MAX_ARGUMENT
    except (pickle.PicklingError, TypeError, AttributeError):
        return False
