"""Drive a run to its goal: submit units, follow their outcomes, survive workers that die, stop on a prefix."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import fsspec
from distributed import Client, Future
from distributed.scheduler import KilledWorker

from trajloom.errors import TrajloomWarning
from trajloom.generation.goal import Goal
from trajloom.generation.unit import lost
from trajloom.generation.worker import Job, Report, hung_marker, run_attempt, run_unit
from trajloom.rollout import Rollout
from trajloom.run.cluster import first_done, threads_of
from trajloom.store import Commit


@dataclass
class Ledger:
    """Which units are made, and how their attempts ended."""

    unit: int
    """Attempts in a unit."""
    outcomes: dict[int, list[bool]] = field(default_factory=dict)
    """Unit -> success of each of its attempts."""
    steps: dict[int, list[int]] = field(default_factory=dict)
    retry: set[int] = field(default_factory=set)
    """Units with attempts that crashed or hung in an earlier run."""

    @classmethod
    def from_commits(cls, unit: int, commits: Iterable[Commit]) -> "Ledger":
        """What earlier runs left in the commit records."""
        runs = {commit.part: commit.run for commit in commits}
        return cls(
            unit=unit,
            outcomes={number: list(run["outcomes"]) for number, run in runs.items()},
            steps={number: list(run["steps"]) for number, run in runs.items()},
            retry={number for number, run in runs.items() if run["retry"]},
        )

    def add(self, report: Report) -> None:
        self.outcomes[report.unit], self.steps[report.unit] = report.outcomes, report.steps
        self.retry.discard(report.unit)

    def prefix(self) -> list[bool]:
        """Outcomes of the attempts before the first unit that is missing."""
        outcomes: list[bool] = []
        number = 0
        while number in self.outcomes:
            outcomes += self.outcomes[number]
            number += 1
        return outcomes

    def to_make(self) -> int:
        """The lowest unit that is missing or is to be tried again."""
        number = 0
        while number in self.outcomes and number not in self.retry:
            number += 1
        return number


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a run is, for a progress bar."""

    successes: int
    attempts: int
    steps: int
    """Control steps simulated by this call."""
    goal: Goal


OnProgress = Callable[[Progress], None]


class Driver:
    """One run on one cluster."""

    def __init__(
        self, client: Client, job: Job, goal: Goal, ledger: Ledger, on_progress: OnProgress | None = None,
        at_once: int | None = None,
    ):  # fmt: skip
        self.client, self.job, self.goal, self.ledger, self.on_progress = client, job, goal, ledger, on_progress
        self.at_once = at_once
        self.pending: dict[Future, int] = {}
        self.suspects: list[int] = []
        """Units whose worker was lost: one of their attempts did it, or one that ran beside them."""
        self.notes: set[str] = set()
        """What the user was told of."""
        self.simulated_steps = 0
        self._numbers = count()

    def run(self) -> int:
        """Work until the goal is decided; return the attempt before which the run ends."""
        try:
            while True:
                end = self.goal.end(self.ledger.prefix())
                if end is not None and not self._retries_before(end):
                    return end
                self._advance()
        finally:
            self.client.cancel(list(self.pending), force=True)

    def _advance(self) -> None:
        """Let units be made; where a worker was lost, first find out which attempt did it, with nothing else about."""
        if not self.suspects:
            self._submit()
        if self.pending:
            self._collect()
        else:
            self._enter(self._recover(self.suspects.pop(0)))

    def _retries_before(self, end: int) -> bool:
        return any(number * self.ledger.unit < end for number in self.ledger.retry)

    def _submit(self) -> None:
        """Keep every thread of every worker busy with a unit that is likely to be needed."""
        threads = max(1, threads_of(self.client))
        # some wait at the scheduler: a thread that is done gets the next one without asking this client
        while len(self.pending) < min(threads + max(1, threads // 4), self.at_once or threads * 2):
            number = self._next()
            if self.pending and not self._worth_starting(number):
                return
            replace = number in self.ledger.retry
            self.pending[self._start(run_unit, number, None, replace, key=f"unit-{number}")] = number

    def _next(self) -> int:
        busy = set(self.pending.values())
        number = self.ledger.to_make()
        while number in busy or (number in self.ledger.outcomes and number not in self.ledger.retry):
            number += 1
        return number

    def _worth_starting(self, number: int) -> bool:
        if number in self.ledger.retry:
            return True
        done = self.ledger.prefix()
        # units that are made but lie behind a gap count as under way
        known = sum(len(outcomes) for outcomes in self.ledger.outcomes.values()) - len(done)
        return self.goal.is_worth_more(done, known + len(self.pending) * self.ledger.unit)

    def _start(self, function: Callable[..., Any], *args: Any, key: str) -> Future:
        return self.client.submit(function, self.job, *args, key=f"{key}-{next(self._numbers)}", pure=False)

    def _collect(self) -> None:
        """Wait for a unit and enter it into the ledger, or among the suspects where its worker was lost."""
        for future in first_done(self.client, self.pending):
            number = self.pending.pop(future)
            error = future.exception() if future.status == "error" else None
            if isinstance(error, KilledWorker):
                self.suspects.append(number)
            elif error is not None:
                raise error  # pyright: ignore
            elif future.status == "finished":
                self._enter(future.result())
            future.release()

    def _enter(self, report: Report) -> None:
        self.ledger.add(report)
        self.simulated_steps += sum(report.steps)
        for note in sorted(set(report.notes) - self.notes):
            self.notes.add(note)
            warnings.warn(note, TrajloomWarning, stacklevel=2)
        if self.on_progress is not None:
            done = self.ledger.prefix()
            progress = Progress(successes=sum(done), attempts=len(done), steps=self.simulated_steps, goal=self.goal)
            self.on_progress(progress)

    def _recover(self, number: int) -> Report:
        """Make a unit attempt by attempt, and commit it: it may have been, if its worker was lost right after that."""
        given = {k: self._alone(k) for k in self.job.recipe.attempts_of(number)}
        return self._result(self._start(run_unit, number, given, True, key=f"unit-{number}"))

    def _alone(self, attempt: int) -> Rollout:
        """One attempt while nothing else runs; lost where it hangs, or where the worker dies twice."""
        fs, marker = fsspec.core.url_to_fs(hung_marker(self.job, attempt))
        if fs.exists(marker):  # it may have waited for one that hung
            fs.rm(marker)
        for _ in range(2):
            try:
                return self._result(self._start(run_attempt, attempt, key=f"attempt-{attempt}"))[0]
            except KilledWorker:
                if fs.exists(marker):
                    return lost("hung")
        return lost("crashed")

    def _result(self, future: Future) -> Any:
        first_done(self.client, [future])
        return future.result()
