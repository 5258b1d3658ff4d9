"""Numbers brought to one scale, and back: from exact statistics of the episodes that are loaded."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from trajloom.errors import SettingsError, UnknownNameError
from trajloom.tables import Array

Mode = Literal["mean_std", "min_max", "robomimic"]
"""(x - mean) / std; to [-1, 1] between the least and the largest; as robomimic does, (x - mean) / (std + 1e-3)."""
STATISTICS = ("mean", "std", "min", "max")
ROBOMIMIC_STD = 1e-3


@dataclass(frozen=True)
class Scaling:
    """How one column is scaled, each number by itself: normalised = (x - shift) * scale."""

    mode: Mode
    statistics: Mapping[str, Array]
    """`mean`, `std`, `min` and `max`, each of the column's shape."""

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise SettingsError(f"normalize must be one of {', '.join(get_args(Mode))}, got {self.mode!r}")

    @property
    def shift(self) -> Array:
        found = self.statistics
        middle = (found["min"] + found["max"]) / 2 if self.mode == "min_max" else found["mean"]
        return np.where(np.isfinite(middle), middle, 0.0)

    @property
    def scale(self) -> Array:
        """1 where all numbers are one: they become 0, and come back."""
        found = self.statistics
        spread = (found["max"] - found["min"]) / 2 if self.mode == "min_max" else found["std"]
        spread = spread + ROBOMIMIC_STD if self.mode == "robomimic" else spread
        # a spread below what float32 can tell from rounding is none
        none = ~np.isfinite(spread) | (spread <= 1e-7 * np.maximum(np.abs(self.shift), 1e-30))
        return 1.0 / np.where(none, 1.0, spread)


class Normalizer:
    """The scales of a dataset's columns, by their names in an item (`observations/joint_pos`).

    It goes with a trained model: `to_json` and `from_json` keep it, `denormalize` turns predictions into actions.
    """

    def __init__(self, scalings: Mapping[str, Scaling]):
        self.scalings = dict(scalings)

    def normalize(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """A batch or item, nested as loaded, of arrays or tensors (..., *shape), with its columns scaled."""
        return self._mapped(values, "", lambda x, shift, scale: (x - shift) * scale)

    def denormalize(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The inverse of `normalize`; what it does not know stays as it is."""
        return self._mapped(values, "", lambda x, shift, scale: x / scale + shift)

    def _mapped(self, values: Mapping[str, Any], above: str, change: Callable[[Any, Any, Any], Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in values.items():
            path = f"{above}{name}"
            if isinstance(value, Mapping):
                found[name] = self._mapped(value, f"{path}/", change)
            elif path in self.scalings:
                found[name] = self._one(value, self.scalings[path], change)
            else:
                found[name] = value
        return found

    def _one(self, value: Any, scaling: Scaling, change: Callable[[Any, Any, Any], Any]) -> Any:
        shift, scale = (_like(value, array) for array in (scaling.shift, scaling.scale))
        return change(value, shift, scale)

    def statistics(self, name: str) -> dict[str, Array]:
        """`mean`, `std`, `min`, `max` of a column; UnknownNameError where it is not scaled."""
        if name not in self.scalings:
            raise UnknownNameError("normalised column", name, self.scalings)
        return dict(self.scalings[name].statistics)

    def to_json(self) -> str:
        """As text, for `from_json`."""
        columns = {
            name: {"mode": s.mode, **{what: s.statistics[what].tolist() for what in STATISTICS}}
            for name, s in self.scalings.items()
        }
        return json.dumps({"normalizer": 1, "columns": columns})

    @classmethod
    def from_json(cls, text: str) -> "Normalizer":
        """The inverse of `to_json`; SettingsError where it is none."""
        try:
            columns = json.loads(text)["columns"]
            return cls(
                {
                    name: Scaling(values["mode"], {what: np.asarray(values[what], float) for what in STATISTICS})
                    for name, values in columns.items()
                }
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"this is no normalizer of ours: {error!r}") from error

    def __repr__(self) -> str:
        return f"Normalizer({', '.join(f'{name}: {s.mode}' for name, s in self.scalings.items())})"


def _like(value: Any, array: Array) -> Any:
    """The array as what `value` is: a tensor of its element type and device, or an array of its element type."""
    if hasattr(value, "new_tensor"):
        return value.new_tensor(array)
    return array.astype(value.dtype) if value.dtype.kind == "f" else array
