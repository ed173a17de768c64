"""What the site file declares for a machine, where a check reads it for itself.

A section that can also be collected without a shell cannot hand its parameters through.
"""

from __future__ import annotations

from checkup.api import Context


def declared_texts(ctx: Context, name: str) -> tuple[str, ...]:
    value = ctx.target.declare.get(name, ())
    return value if isinstance(value, tuple) else (str(value),)


def declared_number(ctx: Context, name: str) -> int:
    value = ctx.target.declare.get(name, 0)
    return value if isinstance(value, int) else 0
