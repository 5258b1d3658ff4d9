"""The names of other formats' features as paths in a robomimic demonstration."""

from collections.abc import Iterable, Mapping


def path_of_name(name: str, whole: Mapping[str, str], prefixes: Mapping[str, str]) -> str:
    """The path of a feature: what `whole` says of its name, else the prefix that it begins with replaced by ours."""
    if name in whole:
        return whole[name]
    prefix = next((p for p in prefixes if name.startswith(p)), None)
    return name if prefix is None else prefixes[prefix] + name.removeprefix(prefix)


def paths_of(names: Iterable[str], whole: Mapping[str, str], prefixes: Mapping[str, str]) -> dict[str, str]:
    """Name -> path; where two would be one, or one lie inside another, the later keeps its own name."""
    paths: dict[str, str] = {}
    for name in names:
        path = path_of_name(name, whole, prefixes)
        clash = any(p == path or p.startswith(f"{path}/") or path.startswith(f"{p}/") for p in paths.values())
        paths[name] = name if clash else path
    return paths
