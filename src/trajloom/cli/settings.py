"""The settings of attempts as options of a command: their types, bounds, defaults and words, as the engine has them."""

import inspect
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, fields
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

from trajloom.engine.settings import Settings, bounds
from trajloom.field_docs import field_docs

Command = TypeVar("Command", bound=Callable[..., None])


def with_settings(flags: Mapping[str, str], without: Collection[str], panel: str) -> Callable[[Command], Command]:
    """Give a command the settings of attempts as options, in place of its `**settings`.

    Args:
        flags: Setting -> its flags, where they are others than its name.
        without: Settings that are no options; those that the command has as arguments of its own are none either.
        panel: What they stand under in the help.
    """

    def with_options(command: Command) -> Command:
        signature = inspect.signature(command)
        own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        taken = {*without, *(p.name for p in own)}
        made = [_option(field, flags, panel) for field in fields(Settings) if field.name not in taken]
        command.__signature__ = signature.replace(parameters=[*own, *made])  # pyright: ignore[reportFunctionMemberAccess]
        return command

    return with_options


def said(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings without those that are left to the task and its config."""
    return {name: value for name, value in settings.items() if value is not None}


def _option(field: "Field[Any]", flags: Mapping[str, str], panel: str) -> inspect.Parameter:
    name, kind = field.name, get_type_hints(Settings)[field.name]
    choices = [choice for part in get_args(kind) if get_origin(part) is Literal for choice in get_args(part)]
    flag = name.replace("_", "-")
    usual = f"--{flag}/--no-{flag}" if field.default is True else f"--{flag}"
    option = typer.Option(
        flags.get(name, usual),
        help=field_docs(Settings).get(name, "").replace("\n", " "),
        min=bounds().get(name),
        callback=_one_of(choices) if choices else None,
        rich_help_panel=panel,
    )
    taken: Any = Annotated[(str if choices else kind) | None, option]
    # a switch that is not touched leaves the choice to the task
    default = None if kind is bool else field.default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=taken)


def _one_of(choices: Collection[str]) -> Callable[[str | None], str | None]:
    def check(word: str | None) -> str | None:
        if word is not None and word not in choices:
            raise typer.BadParameter(f"must be {' or '.join(map(repr, choices))}, got {word!r}")
        return word

    return check
