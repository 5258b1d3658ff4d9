"""Which columns hold images, and of what: one decision for all tools.

* "color": uint8 (H, W), or (H, W, C) with C of 1, 3 or 4;
* "depth" and "labels": whole numbers or floats (H, W) or (H, W, 1) whose last name says so (`agentview_depth`,
  `front_segmentation_instance`, `hand_mask`); between two values of theirs lies nothing that was seen.
"""

from typing import Literal

from trajloom.schema import Column

Kind = Literal["color", "depth", "labels"]

_WORDS: dict[Kind, tuple[str, ...]] = {"depth": ("depth",), "labels": ("segmentation", "seg", "mask", "labels")}


def image_of(column: Column) -> Kind | None:
    """What a column is an image of; None where it is none."""
    shape = column.shape
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,), (4,)):
        return None
    words = column.name.rpartition("/")[2].lower().split("_")
    for kind, known in _WORDS.items():
        if shape[2:] in ((), (1,)) and any(word in known for word in words):
            return kind
    return "color" if column.encoding == "image" else None
