"""What the doctor asks of RoboDM: features without values, and such as end long before the others."""

from collections.abc import Iterator
from pathlib import PurePosixPath

import numpy as np

from trajloom.errors import TrajloomError
from trajloom.findings import Finding
from trajloom.formats.robodm.container import Survey, survey
from trajloom.formats.robodm.segment import declared_end
from trajloom.formats.robodm.source import files_of

PERIODS = 10
"""A feature has ended when it is silent for so many of its own periods, to the end."""


def findings(path: str) -> Iterator[Finding]:
    """Streams that have no value or fall silent, and files whose writer was killed; goes through all packets once."""
    for file in files_of(path):
        try:
            one = survey(file, without_pickled=True)
        except TrajloomError:
            continue  # the reader leaves it out, and says so
        episode = PurePosixPath(file).stem
        if declared_end(file)[0] is None:
            what = f"{file} does not say how long it is, as when its writer was killed: values may be missing"
            yield Finding(severity="warning", code="unfinished", what=what, episode=episode)
        if one.empty:
            what = f"{file}: features without a single value: {', '.join(one.empty)}"
            yield Finding(severity="warning", code="empty_feature", what=what, episode=episode)
        yield from _silent(one, episode)


def _silent(one: Survey, episode: str) -> Iterator[Finding]:
    """Features whose last value stands for much longer than a value does."""
    end = max((int(stream.times[-1]) for stream in one.streams.values()), default=0)
    for name, stream in one.streams.items():
        if len(stream.times) < 2:
            continue
        period, silence = float(np.median(np.diff(stream.times))), end - int(stream.times[-1])
        if period > 0 and silence > PERIODS * period:
            what = (
                f"{one.path}: {name} ends {silence / 1e6:g} s before the file does, where it had a value every "
                f"{period / 1e6:g} s; its last value stands for all of that"
            )
            yield Finding(severity="warning", code="falls_silent", what=what, episode=episode)
