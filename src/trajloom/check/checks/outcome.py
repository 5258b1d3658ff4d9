"""Whether anything says which episodes succeeded."""

from collections.abc import Iterator

import pyarrow as pa

from trajloom.check.checks import Check
from trajloom.findings import Finding
from trajloom.schema import Header


class Outcome(Check):
    """Counts episodes whose success is known."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._episodes = self._known = 0

    def begin_part(self, episodes: pa.Table) -> None:
        success = episodes.column("success")
        self._episodes += len(success)
        self._known += len(success) - success.null_count

    def findings(self) -> Iterator[Finding]:
        if self._episodes and not self._known:
            what = f"none of {self._episodes} episodes says whether it succeeded"
            yield Finding(severity="info", code="no_success", what=what, column="success")


CHECK = Outcome
