"""Read the texts of options and arguments as their annotated types: `bool`, `str`, `Path`, `int`, `float`, or a list of one of them.

typer makes an adapter of pydantic for each option of a verb, even if it was not given. The forty adapters of `build` take 0.13 s, a tenth of an
unchanged build.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import typer

if TYPE_CHECKING:  # the click inside typer, which has no public name
    from typer._click.core import Context, Parameter
    from typer.core import TyperArgument, TyperOption

_EXPECTED = {int: "a whole number", float: "a number"}


class Reading:
    """Reads one parameter. It is typer's "runtime contract" of a parameter, which consists of `coerce` only."""

    def __init__(self, kind: type) -> None:
        self._kind = kind

    def coerce(self, value: Any, param: TyperArgument | TyperOption, ctx: Context) -> Any:
        """Return the value, or a list of values if the parameter takes several; typer.BadParameter for a wrong text."""
        if param.multiple or param.nargs == -1:
            return [self._one(each, param, ctx) for each in value] if value is not None else ()
        return None if value is None else self._one(value, param, ctx)

    def _one(self, value: Any, param: TyperArgument | TyperOption, ctx: Context) -> Any:
        try:
            return self._kind(value)
        except ValueError:
            raise typer.BadParameter(f"{value!r}; expected {_EXPECTED[self._kind]}", ctx=ctx, param=param) from None


def read_plainly(params: list[Parameter]) -> list[Parameter]:
    """Return the parameters, with `Reading` where it can read them; unchanged for an older typer, which has no such contract."""
    for each in params:
        param: Any = each  # its class lacks both attributes in an older typer
        kind = getattr(getattr(param, "type_descriptor", None), "annotation", None)
        kind = (get_args(kind) or (kind,))[0]
        if kind in (bool, str, Path, int, float):
            param.get_runtime_param = partial(Reading, kind)
    return params
