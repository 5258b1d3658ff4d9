"""Episodes that are trained on and validated on."""

from collections.abc import Iterator

import pyarrow as pa

from trajloom.check.checks import Check
from trajloom.check.rows import Places
from trajloom.findings import Finding
from trajloom.schema import Header

HELD_OUT = ("valid", "val", "validation", "test")


class Splits(Check):
    """Looks for episodes both in `train` and in a split that is held out."""

    def __init__(self, header: Header):
        super().__init__(header)
        self._both: dict[str, Places] = {}

    def begin_part(self, episodes: pa.Table) -> None:
        for name, splits in zip(*(episodes.column(n).to_pylist() for n in ("name", "splits")), strict=True):
            for held_out in set(HELD_OUT) & set(splits) if "train" in splits else ():
                self._both.setdefault(held_out, Places()).add_episode(name)

    def findings(self) -> Iterator[Finding]:
        for held_out, places in sorted(self._both.items()):
            what = f"{places.episodes} episodes are both in 'train' and in {held_out!r}"
            yield Finding(severity="warning", code="split_leak", what=what, episode=places.episode, column="splits")


CHECK = Splits
