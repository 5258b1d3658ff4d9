"""Features of text, which are no columns of ours: out of `rest` and back into the data files of a LeRobot dataset."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from trajloom.formats import Part
from trajloom.schema import Header
from trajloom.tables import rest_rows


@dataclass
class Texts:
    """What a LeRobot source's steps said in words."""

    features: Mapping[str, str]
    """Path in `rest` -> the feature that it was."""
    _found: dict[int, dict[str, list[str]]] = field(default_factory=dict)
    """Episode -> feature -> text of each step."""

    @classmethod
    def of(cls, header: Header, taken: Sequence[str]) -> "Texts":
        """Those of a dataset that came from LeRobot, but for features whose names are `taken`."""
        said = header.layout.get("texts") if header.layout.get("format") == "lerobot" else None
        return cls({str(p): str(n) for p, n in (said or {}).items() if n not in taken and "/" not in str(n)})

    def open(self, part: Part) -> None:
        """Take the texts of a part's episodes."""
        self._found = {}
        for batch in part.rest() if self.features else ():
            for row in rest_rows(batch):
                name = self.features.get(row.path)
                if name is None or row.episode_index is None or row.data is None or row.dtype[:2] != "|S":
                    continue
                values = np.frombuffer(row.data, row.dtype)
                texts = [value.decode("utf-8", "replace") for value in values.tolist()]
                self._found.setdefault(row.episode_index, {})[name] = texts

    def rows(self, name: str, episode: int, length: int, start: int, stop: int) -> list[str]:
        """Texts of the frames [start, stop) of an episode; empty where they are gone, or of another length."""
        texts = self._found.get(episode, {}).get(name, [])
        return texts[start:stop] if len(texts) == length else [""] * (stop - start)

    def arrays(self, pieces: Sequence[tuple[int, int, int, int]]) -> dict[str, pa.Array]:
        """Feature -> texts of some episodes' frames: (episode, its length, first frame, frame after the last)."""
        return {
            name: pa.array([text for piece in pieces for text in self.rows(name, *piece)], pa.string())
            for name in self.features.values()
        }
