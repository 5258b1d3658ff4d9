"""The contract for other languages, printed from the code into `schemas/` and compared with it in a test."""

import inspect
from dataclasses import MISSING, fields
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from trajloom import schema
from trajloom.field_docs import field_docs
from trajloom.schema import Column, Header
from trajloom.task import Subtask

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MEANINGS = {
    "steps": {
        "episode_index": "number of the episode; of a generated one, the number of its attempt",
        "frame_index": "number of the control step in its episode, from 0",
        "timestamp": "s since the episode began; null where the rate is unknown",
        "subtask/<eef>": "generated data: subtask that the end effector was in",
        "source_episode/<eef>": "generated data: episode_index of the source demonstration",
        "source_frame/<eef>": "generated data: frame of the source; -1 where a step has none (bridges, holds)",
    },
    "episodes": {
        "episode_index": "number of the episode",
        "name": "the name it had in its source, such as demo_7",
        "length": "control steps",
        "success": "null where unknown",
        "seed": "of the run that generated it",
        "task": "task that it is an episode of",
        "splits": "robomimic's filter keys (mask/) that name it",
        "model": "SHA-256 of the model XML, kept under models/",
        "attrs": "JSON: path in the episode -> attribute -> typed value",
    },
    "attempts": {
        "attempt": "number of the attempt; the episode's, where there is one",
        "seed": "of the run",
        "success": "whether the task was solved",
        "failed_subtask": "first subtask that did not reach its end",
        "reason": "why it failed",
        "steps": "control steps simulated",
        "choices": "source, frames and random offset, per arm and subtask",
        "tries": "every try at a subtask: its source, the chance that it was chosen, how it went",
    },
    "rest": {
        "episode_index": "null for what belongs to the file itself",
        "path": "in the episode, or in the file",
        "dtype": "NumPy's type string with byte order, a format's own name, or group",
        "shape": "null for a group",
        "bytes": "values in C order",
        "attrs": "JSON: attribute -> typed value",
    },
}


def schemas() -> dict[str, dict[str, Any]]:
    """File name -> content of every file in `schemas/`."""
    lineage = schema.lineage_columns(["<eef>"])
    return {
        "steps.json": _table("steps", [*schema.STEPS, *lineage], "data columns follow, as the header lists them"),
        "episodes.json": _table("episodes", schema.EPISODES, "arrays that are one an episode follow"),
        "attempts.json": _table("attempts", [*schema.ATTEMPTS, schema.TRIES], "`tries` where the header says so"),
        "rest.json": _table("rest", schema.REST),
        "dataset.json": _header(),
        "task_spec.json": _task_spec(),
    }


def _table(name: str, columns: Any, more: str | None = None) -> dict[str, Any]:
    rows = [
        {"name": f.name, "type": str(f.type), "nullable": f.nullable, "meaning": MEANINGS[name][f.name]}
        for f in columns
    ]
    return {"table": name, "version": schema.VERSION, "columns": rows, **({"more": more} if more else {})}


def _header() -> dict[str, Any]:
    """JSON Schema of a dataset's `dataset.json`."""
    described = _object(Header)
    own = {"format": {"const": "trajloom"}, "version": {"const": schema.VERSION}}
    columns = {"type": "array", "items": _column()}
    described["properties"] = {**own, **described["properties"], "steps": columns, "episodes": columns}
    described["required"] = ["format", "version", "steps", "episodes"]
    return {"$schema": DIALECT, "title": "dataset.json", **described}


def _column() -> dict[str, Any]:
    column = _object(Column)
    column["properties"]["dtype"]["enum"] = list(schema.ELEMENT_TYPES)
    column["properties"]["encoding"] = {
        "enum": ["value", "tensor", "list", "image"],
        "description": "How a row is kept.",
    }
    return column


def _task_spec() -> dict[str, Any]:
    """JSON Schema of a task: end effector -> subtask -> settings."""
    subtasks = {"type": "object", "patternProperties": {"^subtask_[0-9]+$": _object(Subtask)}}
    return {"$schema": DIALECT, "title": "task_spec.json", "type": "object", "additionalProperties": subtasks}


def _object(cls: Any) -> dict[str, Any]:
    """JSON Schema of a dataclass, with its fields' docstrings."""
    words, hints = field_docs(cls), get_type_hints(cls)
    return {
        "type": "object",
        "description": inspect.getdoc(cls),
        "properties": {
            f.name: {**_json_type(hints[f.name]), **({"description": words[f.name]} if f.name in words else {})}
            for f in fields(cls)
        },
        "required": [f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING],
        "additionalProperties": False,
    }


_JSON_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def _json_type(hint: Any) -> dict[str, Any]:
    """The JSON Schema of a type that our dataclasses use."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _JSON_NAMES:
        return {"type": _JSON_NAMES[hint]}
    if origin is Literal:
        return {"enum": list(arguments)}
    if isinstance(hint, UnionType) or origin is UnionType:
        return {"anyOf": [_json_type(one) for one in arguments]}
    if origin is tuple:
        return {"type": "array", "items": _json_type(arguments[0])}
    if origin is not None:
        return {"type": "object"}
    return {}


__all__ = ["schemas"]
