"""What the doctor asks of HDF5: what robomimic's loader will stumble over, and counts and lists set right.

Reading keeps a wrong `total`, wrong `num_samples` and filter keys that name what is gone, so that a file comes back as
it was; `repaired` is the way to be rid of them.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa

from trajloom.findings import Finding
from trajloom.formats import Source
from trajloom.formats._place import local_file
from trajloom.formats._view import PartView, View
from trajloom.formats.hdf5.attrs import Typed, spell, value_of
from trajloom.formats.hdf5.dialect import ROBOMIMIC
from trajloom.formats.hdf5.survey import scan

REPAIRED = re.compile(r"`total` says |`num_samples` is wrong |mask/.* lists \d+ demonstrations that are not there")
"""How the reader's warnings begin of what `repaired` sets right."""


def findings(path: str) -> Iterator[Finding]:
    """What lacks for robomimic's loader, and names that a filter key lists twice; reads metadata alone."""
    found = scan(local_file(path), ROBOMIMIC)
    if found.frame.kind == "robomimic" and found.names:
        lacking = [name for name, said in zip(found.names, found.num_samples, strict=True) if said is None]
        if lacking:
            what = f"{len(lacking)} demonstrations have no attribute `num_samples`: robomimic cannot load them"
            yield Finding(severity="warning", code="no_num_samples", what=what, episode=lacking[0], fixable=True)
        if "total" not in found.frame.attrs.get("data", {}):
            what = "`data` has no attribute `total`, the number of steps"
            yield Finding(severity="warning", code="no_total", what=what, fixable=True)
    for key, about in found.masks.layout.items():
        names = about.get("names")
        if isinstance(names, list) and len(names) > len(set(names)):
            what = f"mask/{key} lists {len(names) - len(set(names))} demonstrations again"
            yield Finding(severity="warning", code="listed_twice", what=what, fixable=True)


def repaired(source: Source) -> Source:
    """A dataset that came from HDF5, with right counts and filter keys, to be written in any format."""
    old = source.header
    robomimic = old.layout.get("kind") == "robomimic"
    masks = {key: _known(about) for key, about in old.layout.get("masks", {}).items()}
    attrs = {path: dict(found) for path, found in old.attrs.items()}
    if robomimic or "total" in attrs.get("data", {}):
        data = attrs.setdefault("data", {})
        data["total"] = _counted(data.get("total"), sum(part.num_steps for part in source.parts()))
    warnings = tuple(said for said in old.warnings if not REPAIRED.match(said))
    new = old.with_(layout={**old.layout, "masks": masks}, attrs=attrs, warnings=warnings)
    return View(source, new, partial(RepairedPart, is_robomimic=robomimic))


@dataclass(frozen=True)
class RepairedPart(PartView):
    """A part whose episodes say how long they are. Implements `formats.Part`."""

    is_robomimic: bool
    """Whether the counts belong into the file, also where it lacks them."""

    def episodes(self) -> pa.Table:
        table = self.part.episodes()
        rows = zip(*(table.column(name).to_pylist() for name in ("attrs", "length")), strict=True)
        attrs = pa.array([self._attrs(text, length) for text, length in rows], type=pa.string())
        at = table.schema.get_field_index("attrs")
        return table.set_column(at, table.schema.field(at), attrs)

    def _attrs(self, text: str, length: int) -> str:
        attrs = json.loads(text or "{}")
        own = attrs.get("", {})
        if "num_samples" in own or self.is_robomimic:
            attrs[""] = {**own, "num_samples": _counted(own.get("num_samples"), length)}
        return json.dumps(attrs, sort_keys=True)


def _counted(attr: Typed | None, count: int) -> Typed:
    """An attribute that is a count, made to say it in the type that it had; what is no integer becomes one."""
    if attr is None or type(value_of(attr)) is not int:
        return spell(count)
    return {**{name: value for name, value in attr.items() if name != "length"}, "value": count}


def _known(about: Mapping[str, Any]) -> dict[str, Any]:
    """A filter key that writes each name once, and none that no demonstration has."""
    kept = {name: value for name, value in about.items() if name != "unknown"}
    if isinstance(kept.get("names"), list):
        kept["names"] = list(dict.fromkeys(kept["names"]))
    return kept
