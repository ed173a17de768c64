"""Statements and the sessions that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .batches import normalised
from .script import Account, Scripted

Way = Literal["batch", "execute"]
"""SQLBatch, or a remote procedure call that carries a statement (sp_executesql, sp_prepexec, sp_execute)."""


@dataclass
class Session:
    """What a connection is in the middle of."""

    spid: int
    script: Scripted
    user: str
    account: Account
    host: str
    application: str
    database: str
    read_only: bool = False
    settings: dict[str, str] = field(default_factory=dict)  # of SET, by option in upper case
    transactions: int = 0
    row_count: int = 0  # @@ROWCOUNT


@dataclass(frozen=True)
class Statement:
    """One statement as a script sees it. `text` is without the marker; `parameters` are those of a call."""

    text: str
    session: Session = field(repr=False)
    check_id: str | None = None
    parameters: tuple[object, ...] = ()
    way: Way = "batch"

    @property
    def key(self) -> str:
        return normalised(self.text)
