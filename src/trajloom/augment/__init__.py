"""The built-in augmentations: each module of this package is one, found by its name.

A module holds one subclass of `Augmentation`: a frozen dataclass of settings that checks itself. Those that work on
whole batches say in `header` what they make of a dataset's columns, so that what does not fit is refused before
anything runs.

>>> from trajloom.augment import ActionNoise
>>> ActionNoise(sigma=0.05)
ActionNoise(sigma=0.05, columns=('actions',), kind='gaussian', gripper=None, limits=None, relabel=False)
>>> parse("action_noise:sigma=0.05")
ActionNoise(sigma=0.05, columns=('actions',), kind='gaussian', gripper=None, limits=None, relabel=False)
"""

import inspect
import pkgutil
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from trajloom.augment._parsing import Setting, made, settings_of
from trajloom.augmentation import Augmentation
from trajloom.errors import UnknownNameError

if TYPE_CHECKING:
    from trajloom.augment.action_conversion import ActionConversion
    from trajloom.augment.action_noise import ActionNoise
    from trajloom.augment.background import Background
    from trajloom.augment.balance import Balance
    from trajloom.augment.blur import Blur
    from trajloom.augment.color_jitter import ColorJitter
    from trajloom.augment.crop import Crop
    from trajloom.augment.cutout import Cutout
    from trajloom.augment.datagen_info import AddDatagenInfoAugmentation
    from trajloom.augment.filter import Filter
    from trajloom.augment.goal import Goal
    from trajloom.augment.image_noise import ImageNoise
    from trajloom.augment.mimicgen import MimicGenAugmentation
    from trajloom.augment.mirror import Mirror
    from trajloom.augment.observation_noise import ObservationNoise
    from trajloom.augment.outliers import Outliers
    from trajloom.augment.random_windows import RandomWindows
    from trajloom.augment.resample import Resample
    from trajloom.augment.scene_transform import SceneTransform
    from trajloom.augment.sensor_dropout import SensorDropout
    from trajloom.augment.shift import Shift
    from trajloom.augment.subsample import Subsample
    from trajloom.augment.time_warp import TimeWarp

__all__ = [
    "ActionConversion",
    "ActionNoise",
    "AddDatagenInfoAugmentation",
    "Background",
    "Balance",
    "Blur",
    "ColorJitter",
    "Crop",
    "Cutout",
    "Filter",
    "Goal",
    "ImageNoise",
    "MimicGenAugmentation",
    "Mirror",
    "ObservationNoise",
    "Outliers",
    "RandomWindows",
    "Resample",
    "SceneTransform",
    "SensorDropout",
    "Shift",
    "Subsample",
    "TimeWarp",
    "get",
    "names",
    "parse",
    "settings",
]


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")))


def names() -> list[str]:
    """The augmentations there are."""
    return list(_names())


def get(name: str) -> type[Augmentation]:
    """The class of the augmentation of this name; UnknownNameError with those there are."""
    if name not in _names():
        raise UnknownNameError("augmentation", name, _names())
    module = import_module(f"{__name__}.{name}")
    own = [
        found
        for found in vars(module).values()
        if inspect.isclass(found) and issubclass(found, Augmentation) and found.__module__ == module.__name__
    ]
    assert len(own) == 1, f"augment/{name}.py must hold one Augmentation, it holds {len(own)}"
    return own[0]


def settings(name: str) -> dict[str, Setting]:
    """The settings of the augmentation of this name, with their types and defaults."""
    return settings_of(get(name))


def parse(text: str) -> Augmentation:
    """An augmentation from text: `crop`, or its name and settings: `action_noise:sigma=0.05,gripper=6`.

    A setting of several values has them between `+` ("columns=obs/a*+obs/b"), one of names and values a dot
    ("layouts.obs/state=position+xyzw"); "none" is None.

    Raises:
        UnknownNameError: There is no such augmentation, or it has no such setting.
        SettingsError: A value is not of its setting's type, is missing, or is one that the augmentation refuses.
    """
    name, _, settings = text.partition(":")
    return made(name.strip(), get(name.strip()), settings)


def __getattr__(name: str) -> Any:
    """Classes are imported when they are first used."""
    spelled = name.lower()
    likely = [module for module in _names() if module.replace("_", "") == spelled]
    for module in [*likely, *(_names() if name[:1].isupper() else ())]:
        found = get(module)
        if found.__name__ == name:
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; there are: {', '.join(__all__)}")
