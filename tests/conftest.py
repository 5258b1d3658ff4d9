"""What all tests share: which files need the simulator, and where the real files are that do not ship."""

import ctypes
import gc
import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

HAS_SIMULATOR = find_spec("robosuite") is not None
SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
COMPILES = "test_policies.py"
"""The first file to need the control loop: where it was never compiled, that takes a minute, for which others wait."""
THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"
"""Whether laws are tried on many examples and real files are used whole, as `make laws` does."""


def examples(usual: int) -> int:
    """How many examples a law is tried on: as many as said, or twenty times as many where the run is thorough."""
    return 20 * usual if THOROUGH else usual


# machines are busy: how long an example takes says nothing
settings.register_profile("here", max_examples=examples(20), deadline=None)
settings.load_profile("here")


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory) -> Iterator[None]:
    """Loaders of tests, and of the programs that tests start, leave the user's cache alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJLOOM_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def scenes_go_with_their_file(request) -> Iterator[None]:
    """A file's scenes, of 0.1 GB each, are let go of when its tests are done, and go back to the system."""
    yield
    mine = [thing for thing in vars(request.module).values() if hasattr(thing, "cache_clear")]
    mine = [thing for thing in mine if thing.__module__ == request.module.__name__]
    for thing in mine:
        thing.cache_clear()
    if mine or request.node.get_closest_marker("sim"):
        gc.collect()
        if sys.platform == "linux":
            # the C library keeps what was freed: gigabytes of models, in pieces, by the end of a run
            getattr(ctypes.CDLL(None), "malloc_trim", int)(0)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported stays to the end, so the garbage collector need not look at it over and over again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


def pytest_report_header() -> list[str]:
    """Say what is not run, and why."""
    absent = []
    if not HAS_SIMULATOR:
        absent.append("not run: tests of the simulator, because trajloom[sim] is not installed")
    if not SHARED_DATA.exists():
        absent.append("not run: tests on real files that do not ship, because ../shared/data is absent")
    return absent


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Without the simulator, leave out the files that import it."""
    if HAS_SIMULATOR or collection_path.suffix != ".py":
        return None
    # tasks are run without it
    text = re.sub(r"trajloom\.run\.(tasks|spawning)", "", collection_path.read_text())
    return True if "trajloom.sim" in text or "trajloom.run" in text else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    marks: dict[Path, set[str]] = {}
    for item in items:
        if not HAS_SIMULATOR and item.get_closest_marker("sim"):
            item.add_marker(pytest.mark.skip(reason="needs trajloom[sim]"))
        if not SHARED_DATA.exists() and item.get_closest_marker("shared_data"):
            item.add_marker(pytest.mark.skip(reason="../shared/data is absent"))
        marks.setdefault(item.path, set()).update(mark.name for mark in item.iter_markers())
    items.sort(key=lambda item: _turn(item.path.name, marks[item.path]))


def _turn(file: str, marks: set[str]) -> int:
    """When it is a file's turn, where processes share the files: long ones come early, and none waits for another."""
    if file == COMPILES:
        return 0
    if "sim" not in marks:
        return 1
    return 2 if "cluster" in marks else 3


@pytest.fixture(scope="module")
def two_threads():
    """The address of a cluster of one worker with two threads, which the runs of a file share.

    The worker, and those that come in its place where a test ends it, is forked from a process that has imported.
    """
    from trajloom.run.execute import SIMULATING
    from trajloom.run.tasks import cluster

    with cluster(workers=1, threads=2, imported=SIMULATING) as client:
        assert client.scheduler is not None
        yield client.scheduler.address


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The ten human Lift demonstrations, annotated; a file may have sources of its own."""
    import trajloom as tl
    from lift_runs import HUMAN

    path = tmp_path_factory.mktemp("sources") / "annotated"
    tl.annotate(HUMAN, path, task="lift")
    return str(path)
