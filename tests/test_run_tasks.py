"""Independent tasks on real Dask workers."""

import os
import sys
import time
from itertools import count
from multiprocessing import spawn
from pathlib import Path

import pytest
from distributed import Client

from trajloom.errors import RunError
from trajloom.run.spawning import without_main
from trajloom.run.tasks import cluster, run_tasks

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A local cluster of two workers that the tests of this file share."""
    with cluster(workers=2, scratch=str(tmp_path_factory.mktemp("scratch"))) as client:
        yield client


def square(number: int) -> int:
    time.sleep(0.05 if number == 0 else 0.0)
    return number * number


def fail_at_three(number: int) -> int:
    if number == 3:
        raise ValueError("three is not to be had")
    return number


def die_the_first_time(task: tuple[str, int]) -> int:
    folder, number = task
    been_here = Path(folder) / str(number)
    if number == 2 and not been_here.exists():
        been_here.touch()
        os._exit(9)
    return number


def die(number: int) -> None:
    os._exit(9)


def parent_and_imports(number: int) -> tuple[int, bool, bool]:
    time.sleep(0.05)
    # a BLAS that was imported looks at it no more
    environ = Path(f"/proc/{os.getppid()}/environ").read_bytes().split(b"\0")
    return os.getppid(), "wave" in sys.modules, b"OMP_NUM_THREADS=1" in environ


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each worker imports for itself")
def test_workers_come_from_one_process_that_imported_for_them(tmp_path):
    with cluster(workers=2, imported=("wave", "no_such_module")) as client:
        found = dict(run_tasks(client, parent_and_imports, range(6)))
    (parent, imported, alone), *others = set(found.values())
    assert imported
    assert alone
    assert not others
    assert parent != os.getpid()
    stopped = time.monotonic() + 20
    while Path(f"/proc/{parent}").exists():
        assert time.monotonic() < stopped, "the process that imported is still there"
        time.sleep(0.05)


def test_every_result_comes_with_the_number_of_its_argument(client):
    assert dict(run_tasks(client, square, range(20))) == {n: n * n for n in range(20)}


def test_nothing_to_do_is_done_at_once(client):
    assert list(run_tasks(client, square, [])) == []


def test_arguments_are_taken_as_they_are_needed(client):
    endless = run_tasks(client, square, count(), in_flight=3)
    assert {next(endless)[0] for _ in range(5)} <= set(range(8))
    endless.close()


def test_the_first_error_ends_it_with_what_the_function_said(client):
    with pytest.raises(ValueError, match="three is not to be had"):
        list(run_tasks(client, fail_at_three, range(1_000_000)))


def test_a_task_that_lost_its_worker_is_done_again(client, tmp_path):
    done = dict(run_tasks(client, die_the_first_time, [(str(tmp_path), n) for n in range(6)]))
    assert done == {n: n for n in range(6)}


def test_a_task_that_always_takes_its_worker_with_it_is_named(client):
    with pytest.raises(RunError, match=r"task 0 \('the culprit'\) took its worker with it twice"):
        list(run_tasks(client, die, ["the culprit"]))


def test_a_client_of_the_user_stays_open(client, tmp_path):
    with cluster(client, scratch=str(tmp_path / "probe")) as same:
        assert same is client
    assert client.status == "running"
    assert not list((tmp_path / "probe").iterdir())


def test_an_address_serves_as_well(client):
    with cluster(client.scheduler.address) as other:
        assert isinstance(other, Client)
        assert dict(run_tasks(other, square, [3])) == {0: 9}


def test_workers_do_not_run_the_script_again(monkeypatch):
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", None)
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "script.py", raising=False)
    with without_main():
        theirs = spawn.get_preparation_data("Dask Worker process (from Nanny)")
        others = spawn.get_preparation_data("Process-1")
    assert not any("main" in name for name in theirs)
    assert any("main" in name for name in others)
