"""Commands that take nothing but texts and flags, and are ready sooner than others.

typer hands every value to pydantic, whose import takes as long as typer's own; a text and a flag need nothing
of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand, TyperGroup


class QuickCommand(TyperCommand):
    """For a command of which every argument and option is a text or a flag."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _quickened(super().get_params(ctx))


class QuickGroup(TyperGroup):
    """For commands of which the group's own options are flags."""

    def get_params(self, ctx: Any) -> list[Any]:
        return _quickened(super().get_params(ctx))


@dataclass(frozen=True)
class _AsGiven:
    """In place of how a parameter processes a value: hands on only what has to become something else."""

    param: Any
    process: Callable[[Any, Any], Any]

    def __call__(self, ctx: Any, value: Any) -> Any:
        if not isinstance(value, str) and (value is not None or self.param.required):
            return self.process(ctx, value)
        return value if self.param.callback is None else self.param.callback(ctx, self.param, value)


def _quickened(params: list[Any]) -> list[Any]:
    for param in params:
        # Part of click's interface, not only of typer's. Should it go away, all is slower, and nothing else.
        if not isinstance(param.process_value, _AsGiven):
            param.process_value = _AsGiven(param, param.process_value)
    return params
