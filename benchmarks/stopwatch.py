"""Where time goes, by wrapping the functions of interest: each gets its own time, without that of those it calls."""

import functools
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Stopwatch:
    """Seconds by what they were spent on. A wrapped call costs about half a microsecond more."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inner = [0.0]
        self._wrapped: list[tuple[Any, str, Any]] = []

    def wrap(self, owner: Any, name: str, what: str) -> None:
        """Time `owner.name` (a function of a module, a method of a class or object) as `what`, until `unwrap`."""
        function = getattr(owner, name)
        self._wrapped.append((owner, name, vars(owner).get(name)))

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            inner, clock = self._inner, time.perf_counter
            inner.append(0.0)
            start = clock()
            try:
                return function(*args, **kwargs)
            finally:
                taken = clock() - start
                self.seconds[what] += taken - inner.pop()
                inner[-1] += taken

        setattr(owner, name, timed)

    def unwrap(self) -> None:
        """Put everything back as it was."""
        for owner, name, before in reversed(self._wrapped):
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
        self._wrapped.clear()


@contextmanager
def stopwatch(*wraps: tuple[Any, str, str]) -> Iterator[Stopwatch]:
    """A stopwatch on some functions, each (owner, name, what)."""
    watch = Stopwatch()
    for wrap in wraps:
        watch.wrap(*wrap)
    try:
        yield watch
    finally:
        watch.unwrap()
