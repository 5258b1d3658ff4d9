"""Episodes in which the action never changes: a recording of nothing."""

from collections.abc import Iterator

from trajloom.check.checks import Check
from trajloom.check.rows import Places, Rows
from trajloom.findings import Finding
from trajloom.schema import Header
from trajloom.tables import Array


class Frozen(Check):
    """Compares each action with its episode's first."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._there = any(column.name == "actions" for column in header.steps)
        self._episode: int | None = None
        self._first: Array | None = None
        self._steps, self._same = 0, True
        self._places = Places()

    def steps(self, rows: Rows) -> None:
        for index, values in rows.of_spans("actions") if self._there else ():
            if index != self._episode:
                self.end_part()
                self._episode, self._first = index, values[0]
            self._steps += len(values)
            self._same = self._same and bool((values == self._first).all())

    def end_part(self, whole: bool = True) -> None:
        if self._episode is not None and self._same and self._steps > 1:
            self._places.add_episode(self.names.get(self._episode, f"episode {self._episode}"))
        self._episode, self._steps, self._same = None, 0, True

    def findings(self) -> Iterator[Finding]:
        if self._places.episodes:
            what = f"{self._places.episodes} episodes have one and the same action in every step"
            yield Finding(severity="warning", code="frozen", what=what, episode=self._places.episode, column="actions")


CHECK = Frozen
