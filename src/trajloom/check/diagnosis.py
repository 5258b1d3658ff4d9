"""What is wrong with a dataset of any format, and the same dataset with what can be set right."""

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from trajloom import formats, store
from trajloom.check.examination import Examination, examine, worst_first
from trajloom.check.repair import SKIPPED, counted_anew, repaired
from trajloom.dataset import NATIVE, Dataset, read
from trajloom.errors import DamagedFileError, HostileFileError, SchemaError, SettingsError, TrajloomWarning
from trajloom.findings import SEVERITIES, Finding
from trajloom.folder import same_place
from trajloom.formats import Progress

DAMAGED = "damaged"
"""Code of an episode that the reader left out."""


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A repaired copy."""

    path: str
    done: Sequence[str]
    """What was done, in words."""
    left: Sequence[Finding]
    """What is found in the copy."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """All that was found in one dataset."""

    path: str
    format: str
    episodes: int = 0
    steps: int = 0
    findings: Sequence[Finding] = field(default_factory=tuple)
    """The worst first."""
    fixed: Fixed | None = None

    @property
    def healthy(self) -> bool:
        """Whether there is no error; warnings may be there."""
        return not self.count("error")

    def count(self, severity: str) -> int:
        """How many findings of one severity there are."""
        return sum(finding.severity == severity for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        found: dict[str, Any] = {name: getattr(self, name) for name in ("path", "format", "episodes", "steps")}
        found |= {"counts": {severity: self.count(severity) for severity in SEVERITIES}}
        found["findings"] = [finding.to_json() for finding in self.findings]
        if self.fixed is not None:
            left = [finding.to_json() for finding in self.fixed.left]
            found["fixed"] = {"path": self.fixed.path, "done": list(self.fixed.done), "left": left}
        return found


def doctor(
    path: str | os.PathLike[str], *, fix: str | os.PathLike[str] | None = None, clip_actions: bool = False,
    retime: bool = False, overwrite: bool = False, progress: Progress | None = None,
) -> Diagnosis:  # fmt: skip
    """Look for everything that is wrong with a dataset; reads all of it once, and a repaired copy once more.

    Args:
        path: A dataset of any format.
        fix: Where to write a copy without damaged episodes and parts, without episodes that equal others in
            everything, and with right counts and filter keys; the suffix says its format. Never the dataset itself.
        clip_actions: Whether the copy's actions are clipped where robosuite's controllers clip them.
        retime: Whether the time of the copy's episodes is computed from `control_hz` where it does not rise.
        overwrite: Whether a copy that is there already may go.
        progress: Called with (episodes examined, episodes in all).

    Raises:
        LayoutError: There is nothing, or nothing that we read.
        OutputExistsError: There is something at `fix`.
        SettingsError: `fix` is the dataset itself.
        DamagedFileError: `fix` is asked for, and nothing of the dataset can be read.
    """
    path = os.fspath(path)
    if fix is not None and same_place(path, os.fspath(fix)):
        raise SettingsError(f"{fix} is, or holds, what is to be repaired; a dataset is never changed in place")
    with _quietly():
        try:
            data = read(path, on_error="skip")
            data.parts()
        except (DamagedFileError, HostileFileError, SchemaError) as error:
            if fix is not None:
                raise
            finding = Finding(severity="error", code="unreadable", what=str(error))
            return Diagnosis(path=path, format=_format(path), findings=(finding,))
        found, diagnosis = _diagnose(path, data, progress)
        if fix is None:
            return diagnosis
        return replace(diagnosis, fixed=_fixed(data, diagnosis, found, os.fspath(fix), clip_actions, retime, overwrite))


def _fixed(
    data: Dataset, diagnosis: Diagnosis, found: Examination, out: str, clip_actions: bool, retime: bool, overwrite: bool
) -> Fixed:
    """Write a repaired copy and examine it."""
    better, done = repaired(data.source, found, clip_actions=clip_actions, retime=retime)
    Dataset(better).write(out, overwrite=overwrite)
    left = _diagnose(out, read(out, on_error="skip"), None)[1].findings
    still = {finding.what for finding in left} | {finding.what for finding in found.findings}
    right = [f for f in diagnosis.findings if f.fixable and f.code != DAMAGED and f.what not in still]
    return Fixed(path=out, done=(*done, *(f"set right: {finding.what}" for finding in right)), left=left)


def _diagnose(path: str, data: Dataset, progress: Progress | None) -> tuple[Examination, Diagnosis]:
    found, name = examine(data.source, progress), _format(path)
    findings = worst_first([*_of_reader(data, name), *_of_format(path, name), *found.findings])
    return found, Diagnosis(
        path=path, format=name, episodes=found.episodes, steps=found.steps, findings=tuple(findings)
    )


def _format(path: str) -> str:
    return NATIVE if store.is_store(path) else formats.find(path).NAME


def _of_format(path: str, name: str) -> Iterator[Finding]:
    """What the format itself knows of its files."""
    ask = store.findings if name == NATIVE else getattr(formats.get(name), "findings", None)
    if ask is not None:
        yield from ask(path)


def _of_reader(data: Dataset, name: str) -> Iterator[Finding]:
    """The reader's warnings; those that the dataset's own format repairs are fixable."""
    kept = counted_anew(data.source).header.warnings
    for said in data.header.warnings:
        if not said.startswith(SKIPPED):
            yield Finding(severity="warning", code="reader", what=said, fixable=said not in kept)
        elif name == NATIVE:  # it was left out when the dataset was made from another
            yield Finding(severity="info", code="left_out", what=said)
        else:
            yield Finding(severity="error", code=DAMAGED, what=said.removeprefix(SKIPPED), fixable=True)


@contextmanager
def _quietly() -> Iterator[None]:
    """Without the reader's warnings, which are findings here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrajloomWarning)
        yield
