"""Several videos encoded at once, each in the order of its frames, with few frames in memory."""

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore, Lock
from types import TracebackType

MAX_THREADS = 8
"""Each may hold a batch of steps."""


class Line:
    """Jobs that are done one after the other, by whichever thread is free."""

    def __init__(self) -> None:
        self.jobs: deque[Callable[[], None]] = deque()
        self.busy = False


class Crew:
    """Threads that work on lines. The first error of a job stops everything, and is raised by `do` or at the end."""

    def __init__(self) -> None:
        threads = max(1, min(os.cpu_count() or 1, MAX_THREADS))
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="video")
        self._free = BoundedSemaphore(threads + 1)
        self._lock = Lock()
        self._error: BaseException | None = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._error = self._error or error
        self._pool.shutdown(wait=True)
        if error is None:
            self._check()

    def do(self, line: Line, job: Callable[[], None]) -> None:
        """Queue a job; waits while as many are queued as there are threads, and one."""
        self._free.acquire()
        with self._lock:
            line.jobs.append(job)
            start, line.busy = not line.busy, True
        if start:
            self._pool.submit(self._work, line)
        self._check()

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _work(self, line: Line) -> None:
        while True:
            with self._lock:
                if not line.jobs:
                    line.busy = False
                    return
                job = line.jobs.popleft()
            try:
                if self._error is None:
                    job()
            except BaseException as error:
                self._error = self._error or error
            finally:
                self._free.release()
