"""Worker processes that do not run the user's script again."""

from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import spawn
from typing import Any

WORKERS = "Dask Worker"
"""How the names of the processes of a local cluster begin."""
MAIN = ("init_main_from_name", "init_main_from_path")
"""What tells a new process to import the script."""


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
