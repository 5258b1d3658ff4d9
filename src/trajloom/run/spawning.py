"""Worker processes that start quickly, and that do not run the user's script again."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, spawn
from threading import Thread
from typing import Any

WORKERS = "Dask Worker"
"""How the names of the processes of a local cluster begin."""
MAIN = ("init_main_from_name", "init_main_from_path")
"""What tells a new process to import the script."""
METHOD = "distributed.worker.multiprocessing-method"


@contextmanager
def without_main() -> Iterator[None]:
    """Let workers that start inside not import the main script.

    They would run one that has no `if __name__ == "__main__"` again. They do without: what comes from the script is
    sent to them by cloudpickle, code and all. Other processes that start meanwhile import it as ever.
    """
    prepare = spawn.get_preparation_data

    def prepared(name: str) -> dict[str, Any]:
        data = prepare(name)
        return {key: value for key, value in data.items() if key not in MAIN} if name.startswith(WORKERS) else data

    spawn.get_preparation_data = prepared
    try:
        yield
    finally:
        spawn.get_preparation_data = prepare


@contextmanager
def imported_once(modules: Sequence[str], environ: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Let workers that start inside be forked from one process that has imported what they need.

    Importing takes each worker a second and a half of a core, which they take from each other and from what this
    process does meanwhile. The process that imports does nothing else, so forking it is safe. It starts at once, is
    nobody else's, and goes when the block ends.

    Args:
        modules: Names of what to import; nothing that starts threads of its own, as Polars does. (Arrow's allocator has
            one, and takes care of it.) A module that is not there is left to the workers.
        environ: What is to stand in its environment, where nothing else stands there.

    Yields:
        Dask's settings that make it so; none on systems where it cannot be.
    """
    if sys.platform != "linux":
        yield {}
        return
    server = forkserver.ForkServer()
    server.set_forkserver_preload(list(modules))
    with _standing(environ):
        server.ensure_running()
    connect, forkserver.connect_to_new_process = forkserver.connect_to_new_process, server.connect_to_new_process
    try:
        yield {METHOD: "forkserver"}
    finally:
        forkserver.connect_to_new_process = connect
        # it ends once its last child has, which nobody need wait for
        Thread(target=server._stop, name="imported-once", daemon=True).start()


@contextmanager
def _standing(environ: Mapping[str, str]) -> Iterator[None]:
    """Let a process that starts inside have some variables in its environment, where they are not set."""
    added = {name: value for name, value in environ.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
