"""How our names of columns become LeRobot's names of features, and back."""

from collections.abc import Iterable, Mapping

from trajloom.schema import path_of, stored_name

INDEX = ("timestamp", "frame_index", "episode_index", "index", "task_index")
"""Features that LeRobot makes itself, in the order in which it writes them."""
RESERVED = frozenset({*INDEX, "task", "subtask"})
"""Names that a data column cannot have in LeRobot."""
IMAGES = "observation.images."
FIXED = {"actions": "action", "rewards": "next.reward", "dones": "next.done"}


def their_name(path: str, image: bool) -> str:
    """LeRobot's name of an array: `obs/x` is `observation.x`, of a camera `observation.images.x`."""
    if path in FIXED:
        return FIXED[path]
    group, _, rest = path.partition("/")
    if group == "obs" and rest:
        return (IMAGES if image else "observation.") + rest.replace("/", ".")
    return path.replace("/", ".")


def our_path(name: str) -> str:
    """The inverse of `their_name`, for names that are LeRobot's own."""
    for path, fixed in FIXED.items():
        if name == fixed:
            return path
    for prefix in (IMAGES, "observation."):
        if name.startswith(prefix) and len(name) > len(prefix):
            return f"obs/{name.removeprefix(prefix).replace('.', '/')}"
    return name.replace(".", "/")


def their_names(columns: Mapping[str, bool], known: Mapping[str, str]) -> dict[str, str]:
    """Column of ours -> LeRobot's name, all different.

    Args:
        columns: Column -> whether it holds images.
        known: Names that the source itself gave.
    """
    found: dict[str, str] = {}
    for column in sorted(columns, key=lambda c: c not in known):
        wanted = known.get(column) or their_name(path_of(column), columns[column])
        found[column] = _free(wanted, {*found.values(), *(RESERVED - {known.get(column)})}, "_")
    return {column: found[column] for column in columns}


def our_names(names: Iterable[str]) -> dict[str, str]:
    """LeRobot's name -> column of ours, all different and none the folder of another."""
    found: dict[str, str] = {}
    for name in names:
        path = our_path(name).strip("/") or name
        if "//" in path or _clashes(path, found.values()):
            path = name.replace("/", "_") if not _clashes(name, found.values()) else _free(name, found.values(), "_")
        found[name] = stored_name(path)
    return found


def _clashes(path: str, others: Iterable[str]) -> bool:
    paths = {path_of(other) for other in others}
    return path in paths or any(o.startswith(f"{path}/") or path.startswith(f"{o}/") for o in paths)


def _free(name: str, taken: Iterable[str], joint: str) -> str:
    """The name, or the name with the first number that makes it free."""
    used = {path_of(other) for other in taken}
    name = name.replace("/", ".")
    candidates = (name if n == 1 else f"{name}{joint}{n}" for n in range(1, len(used) + 3))
    return next(c for c in candidates if c not in used)
