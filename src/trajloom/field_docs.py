"""What the source of a dataclass says of its fields."""

import ast
import inspect
import textwrap
from collections.abc import Mapping
from functools import cache
from typing import Any


@cache
def field_docs(cls: Any) -> Mapping[str, str]:
    """Field -> the string that stands below it in the source of a dataclass; none where no source is installed."""
    try:
        source = inspect.getsource(cls)
    except OSError:
        return {}
    body = ast.parse(textwrap.dedent(source)).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(words.value.value)
        for field, words in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(words, ast.Expr)
        and isinstance(words.value, ast.Constant)
        and isinstance(words.value.value, str)
    }
