"""Dask's own chance, apart from the global generators that foreign code of a run is seeded with.

While it sends messages, Dask draws from the global `random` in its event loop: to guess the size of a list it samples
it. A draw in the midst of a user's selection strategy would change what that strategy chooses.
"""

import random
from importlib import import_module

from distributed import Worker
from distributed.diagnostics.plugin import WorkerPlugin

_DRAWERS = ("dask.sizeof", "distributed.comm.core", "distributed.utils_comm")
"""The modules that draw in a running worker, each through its global name `random`."""


class OwnChance(WorkerPlugin):
    """Give Dask a generator of its own in every worker, in those that come later too."""

    name = "trajloom-own-chance"
    idempotent = True

    def setup(self, worker: Worker) -> None:
        own = random.Random()
        for name in _DRAWERS:
            module = import_module(name)
            if module.random is random:
                module.random = own
