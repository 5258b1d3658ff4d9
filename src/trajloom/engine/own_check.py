"""A user's own check of what a subtask has done, by name, so that workers find it."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, cast

from trajloom.errors import SettingsError
from trajloom.task import Scene

Check = Callable[[Scene, str, int], bool | str | None]
"""Called with the scene as it is where a subtask has ended, the end effector and the subtask's number.

It returns what is wrong, in words, or False; True, None or "" where all is well.
"""


@cache
def load(name: str) -> Check:
    """The function that "module:function" names; SettingsError where there is none.

    The module is imported as any other: it must be on the path of every worker, as those of `preload` must.
    """
    module, _, function = name.partition(":")
    if not module or not function:
        raise SettingsError(f"a check is named 'module:function', such as 'my_checks:is_upright'; got {name!r}")
    try:
        found: Any = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SettingsError(f"there is no check {name!r}: {error}") from error
    if not callable(found):
        raise SettingsError(f"check {name!r} is no function but {type(found).__name__}")
    return cast(Check, found)


def name_of(check: Check | str) -> str:
    """The name under which workers find a check; SettingsError where it has none, as a lambda."""
    if isinstance(check, str):
        return check
    name = f"{check.__module__}:{check.__qualname__}"
    if check.__module__ == "__main__" or not check.__qualname__.isidentifier():
        raise SettingsError(f"workers cannot find the check {name}: define it at the top of a module of its own")
    return name


def complaint(check: Check, scene: Scene, eef: str, subtask: int) -> str | None:
    """What a check finds wrong; None where all is well."""
    said = check(scene, eef, subtask)
    if said is None or said is True or said == "":
        return None
    if said is False:
        return "the check says no"
    if isinstance(said, str):
        return said
    raise SettingsError(f"a check must return True, False, None or words; got {said!r}")
