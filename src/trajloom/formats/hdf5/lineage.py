"""Writing where generated steps come from: as our own columns, and in MimicGen's own words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from trajloom.formats.hdf5.columns import LINEAGE_FOLDER
from trajloom.formats.hdf5.create import create_array
from trajloom.formats.hdf5.native import Native
from trajloom.formats.hdf5.targets import Demo, Target, target_of, write_frames
from trajloom.formats.hdf5.values import type_named
from trajloom.schema import LINEAGE, Column, Header


def lineage_targets(header: Header, layout: Mapping[str, Any]) -> list[Target]:
    """Where the lineage of generated steps goes."""
    return [
        target_of(Column(name=f"{kind}/{eef}", dtype=str(dtype)), f"{LINEAGE_FOLDER}/{kind}/{eef}", layout, {})
        for eef in header.eefs
        for kind, dtype in LINEAGE.items()
    ]


class ChosenSources:
    """MimicGen's own account of the sources: `src_demo_labels` [T, 1] and `src_demo_inds` [S]."""

    LABELS = target_of(Column(name="src_demo_labels", dtype="int64", shape=(1,)), "src_demo_labels", {}, {})
    INDS = "src_demo_inds"

    def __init__(self, header: Header, native: Native):
        self.eef = header.eefs[0]
        self.wanted = native.paths.claim(self.LABELS.path) and native.paths.claim(self.INDS)

    def take(self, batch: pa.RecordBatch, spans: list[tuple[Demo, int, int]]) -> None:
        """Write the labels of some frames, and note each subtask's source."""
        columns = [batch.column(f"{kind}/{self.eef}") for kind in ("subtask", "source_episode")]
        if not self.wanted or any(column.null_count for column in columns):
            return
        subtask, source = (column.to_numpy() for column in columns)
        for demo, a, b in spans:
            write_frames(demo, self.LABELS, source[a:b, None].astype(np.int64))
            for number, first in zip(*np.unique(subtask[a:b], return_index=True), strict=True):
                if number >= 0:
                    demo.chosen.setdefault(int(number), int(source[a + first]))

    def finish(self, demo: Demo) -> None:
        """Write the sources, one for each subtask."""
        if self.wanted and demo.chosen:
            sources = np.array([source for _, source in sorted(demo.chosen.items())], dtype=np.int64)
            create_array(demo.group, self.INDS, type_named("<i8"), sources, {})
