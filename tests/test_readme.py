"""Every command and every block of Python in the README runs, in order, in one folder."""

import os
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trajloom.cli.main import typer_app

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("[0-9]*.py"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def commands() -> list[str]:
    return [line for block in blocks("sh") for line in block.splitlines() if line.startswith("trajloom ")]


@pytest.fixture
def folder(tmp_path):
    """A folder where the README's relative paths lead where they should."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


@pytest.fixture(scope="module")
def one_core():
    """Keep this process and those that it starts to one core: a run starts a process for each, which takes seconds."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture(scope="module")
def worker(one_core):
    """The address of a cluster of one worker, which is shared: to start one takes as long as what it does here."""
    from trajloom.run.tasks import cluster

    with cluster(workers=1) as client:
        assert client.scheduler is not None
        yield client.scheduler.address


@pytest.mark.sim
@pytest.mark.cluster
def test_every_command_and_every_block_of_python_runs(folder, monkeypatch, worker):
    """As they stand, but that those which generate are given a worker."""
    assert len(commands()) >= 8
    monkeypatch.chdir(folder)
    for line in commands():
        words = shlex.split(line)[1:]
        status, said = here([*words, "--scheduler", worker] if words[0] in ("generate", "expert") else words)
        assert status == 0, f"{line}\n{said}"
    for block in blocks("python"):
        done = subprocess.run([sys.executable, "-c", block], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def here(words: list[str]) -> tuple[int, str]:
    """The status of a command, run in this process, and what it says."""
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as for users; the command prints them
        done = CliRunner().invoke(typer_app, words)
    return done.exit_code, f"{done.output}{done.exception or ''}"


def test_the_raw_commands_are_those_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for words in (
        "scripts/check_system.py",
        "-m venv",
        "pip>=25.1",
        ".[sim]' --group dev",
        "scripts/demo.py --out",
        "-m pytest",
    ):
        assert words in README
        assert words in makefile
    assert all(f"make {target}" in README for target in ("demo", "test"))


def test_links_and_pictures_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or os.path.exists(ROOT / target), target


@pytest.mark.sim
@pytest.mark.cluster
@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_run(example, worker, tmp_path, monkeypatch):
    text = example.read_text()
    if re.search(r"tl\.(generate|expert)\(", text):  # its workers import it
        command = [sys.executable, example, tmp_path, *(["--scheduler", worker] if '"--scheduler"' in text else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    else:
        monkeypatch.setattr(sys, "argv", [str(example), str(tmp_path)])
        monkeypatch.setenv("TRAJLOOM_CACHE", str(tmp_path / "cache"))  # an example may set it
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            runpy.run_path(str(example), run_name="__main__")
