"""What is being written: an episode whose rows come by, and the tasks so far."""

from collections.abc import Mapping
from typing import Any

from trajloom.formats.lerobot import statistics
from trajloom.schema import Header


class Current:
    """The episode whose rows are being written."""

    def __init__(
        self, row: Mapping[str, Any], number: int, first_row: int, file: int, videos: Mapping[str, int | float]
    ):
        self.row, self.number, self.first_row, self.file, self.videos = row, number, first_row, file, videos
        self.length, self.task = int(row["length"]), row["task"]
        self.done = 0
        self.tallies: dict[str, statistics.Tally] = {}
        self.sampled = statistics.sampled(self.length)

    @property
    def left(self) -> int:
        return self.length - self.done


class Tasks:
    """Texts of tasks by index; those of a LeRobot source keep theirs."""

    def __init__(self, header: Header):
        known = header.layout.get("tasks", {}) if header.layout.get("format") == "lerobot" else {}
        self.texts: list[str] = [known[key] for key in sorted(known, key=int)]
        self._default = str((header.env_args or {}).get("env_name") or "")
        self._indices = {text: i for i, text in reversed(list(enumerate(self.texts)))}

    def text(self, task: str | None) -> str:
        return self._default if task is None else task

    def index(self, task: str | None) -> int:
        text = self.text(task)
        if text not in self._indices:
            self._indices[text] = len(self.texts)
            self.texts.append(text)
        return self._indices[text]
