"""One thing that checkup needs of the machine it runs on."""

from __future__ import annotations

from typing import NamedTuple


class Examination(NamedTuple):
    """`advice`: how to get it. `optional`: only what names it needs it."""

    name: str
    found: bool
    advice: str
    optional: bool = False
