"""What a look at a SQL instance is given: sessions, and the ledger."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from checkup.api import ErrorClass
from checkup.plan import EndpointPlan
from checkup.transports.session import ConnectionFacts, Told, TransportError, untold

if TYPE_CHECKING:
    from checkup.transports.odbc.session import ResultSet


class SqlSession(Protocol):
    """What transports/odbc gives: one connection, one statement or batch at a time."""

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[ResultSet]: ...
    def enter(self, database: str) -> None:
        """Leave the connection for one into `database`, by the same driver. Raises TransportError."""
        ...

    def close(self) -> None: ...


class OpenSql(Protocol):
    """Opens a connection to the instance of a plan, in `database` or where the site file says.

    Raises TransportError; `facts` is filled in either way. `told` is entered around each text that is sent
    on the way.
    """

    def __call__(
        self, plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
    ) -> SqlSession: ...


def no_sql(
    plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
) -> SqlSession:
    """Where a run has no way to SQL servers."""
    raise TransportError(ErrorClass.UNSUPPORTED, f"there is no way to the instance {plan.endpoint}")


@dataclass
class LedgerRow:
    """One command as the ledger will close it."""

    returned_bytes: int = 0
    outcome: str = "asked"


# Enters a text into the ledger before it is sent, and its end afterwards.
Ledger = Callable[[str], AbstractContextManager[LedgerRow]]
