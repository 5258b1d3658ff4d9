"""One pass over a dataset with every check."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trajloom.check import checks
from trajloom.check.rows import Rows, step_columns
from trajloom.errors import TrajloomError
from trajloom.findings import SEVERITIES, Finding
from trajloom.formats import Part, Progress, Source
from trajloom.schema import Column
from trajloom.tables import rest_rows


@dataclass(frozen=True)
class Examination:
    """What a pass found."""

    findings: Sequence[Finding]
    """The worst first."""
    episodes: int
    steps: int
    superfluous: frozenset[int] = frozenset()
    """Episodes that equal an earlier one in everything."""
    untimely: frozenset[int] = frozenset()
    """Episodes whose time does not rise."""
    unreadable: frozenset[int] = frozenset()
    """Numbers of the parts that cannot be read."""


def examine(source: Source, progress: Progress | None = None) -> Examination:
    """Read a dataset once and let every check look at it; a part that cannot be read is a finding, not an end."""
    found = checks.begin(source.header)
    columns = {column.name: column for column in step_columns(source.header)}
    parts = source.parts()
    total = sum(map(_episodes, parts)) if progress else 0
    episodes, steps = 0, 0
    broken: dict[int, Finding] = {}
    for number, part in enumerate(parts):
        try:
            steps += _read(part, columns, found)
        except TrajloomError as error:
            what = f"part {number} ({_episodes(part)} episodes) cannot be read: {error}"
            broken[number] = Finding(severity="error", code="unreadable_part", what=what, fixable=True)
        for check in found:
            check.end_part(number not in broken)
        episodes += _episodes(part)
        if progress:
            progress(episodes, total)
    findings = [*broken.values(), *(finding for check in found for finding in check.findings())]
    return Examination(
        worst_first(findings),
        episodes,
        steps,
        frozenset(index for check in found for index in check.superfluous),
        frozenset(index for check in found for index in check.untimely),
        frozenset(broken),
    )


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Errors, then warnings, then information, each in the order they came."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def _read(part: Part, columns: Mapping[str, Column], found: Sequence[checks.Check]) -> int:
    """Show a part to the checks; returns how many steps there were."""
    episodes, steps = part.episodes(), 0
    names = dict(zip(*(episodes.column(name).to_pylist() for name in ("episode_index", "name")), strict=True))
    for check in found:
        check.names = names
        check.begin_part(episodes)
    for batch in part.steps():
        rows = Rows(batch, columns, names)
        steps += batch.num_rows
        for check in found if batch.num_rows else ():
            check.steps(rows)
    for batch in part.rest():
        for row in rest_rows(batch):
            for check in found:
                check.rest(row)
    return steps


def _episodes(part: Part) -> int:
    """How many episodes a part says it has; none where it cannot even say that."""
    try:
        return part.num_episodes
    except TrajloomError:
        return 0
