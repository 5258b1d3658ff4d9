"""The folder of an ingestion: no dataset before it is whole, but one that the same call goes on with."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from trajloom import store
from trajloom.errors import OutputExistsError, SettingsError
from trajloom.folder import Folder
from trajloom.generation.recipe import differences
from trajloom.ingest.unit import Record
from trajloom.schema import Header
from trajloom.store.commits import Commit, read_commits

STATE = "ingestion.json"
"""The settings, in the folder of an ingestion that is not finished."""


def anywhere(path: str) -> str:
    """A path that means the same in every process; a URL is one already."""
    return path if "://" in path else os.path.abspath(path)


class Place:
    """Where a dataset is made."""

    def __init__(self, path: str, settings: Mapping[str, Any]):
        """A folder or URL, and what identifies the ingestion."""
        self.path = path
        self.folder = Folder(path)
        self.settings = json.loads(json.dumps(settings, default=str))

    def enter(self) -> bool:
        """Begin or go on; whether the dataset is there already.

        Raises:
            OutputExistsError: There is something else.
            SettingsError: There is an ingestion with other settings.
        """
        if self.folder.fs.isfile(self.folder.root):
            raise OutputExistsError(f"{self.path} is a file; a dataset is a folder")
        found = self.folder.names()
        if store.is_store(self.path):
            self._same(_settings_of(store.read_header(self.path)))
            self.folder.remove(STATE)
            return True
        if STATE in found:
            self._same(json.loads(self.folder.read(STATE)))
            store.clean_orphans(self.path)
        elif found:
            raise OutputExistsError(f"{self.path} holds something else than an ingestion: {', '.join(found[:5])}")
        else:
            self.folder.put_json(self.settings, STATE)
        return False

    def _same(self, there: Mapping[str, Any] | None) -> None:
        if there is None:
            raise OutputExistsError(f"{self.path} holds a dataset that was not ingested; nothing was written")
        differ = differences(there, self.settings)
        if differ:
            raise SettingsError(
                f"{self.path} holds another ingestion; {'; '.join(differ)}. Choose another place, or delete it"
            )

    def commits(self) -> Sequence[Commit]:
        return read_commits(self.folder)

    def records(self) -> dict[int, Record]:
        """What came of the parts that are there."""
        return {commit.part: Record.from_json(commit.run["ingest"]) for commit in self.commits()}

    def finish(self, header: Header) -> None:
        """Make it a dataset."""
        store.update_header(self.path, header)
        self.folder.remove(STATE)

    def clear(self) -> None:
        """Remove what was written of a dataset that has nothing in it."""
        for name in self.folder.names():
            self.folder.remove_all(name)


def _settings_of(header: Header) -> Mapping[str, Any] | None:
    return next((source["ingest"] for source in header.sources if "ingest" in source), None)
