"""What every endpoint of a run shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from checkup.api import ErrorClass
from checkup.catalogue import AnySection
from checkup.collect.access_target import OpenFile, no_files
from checkup.collect.events import Emit
from checkup.collect.sql_sessions import OpenSql, no_sql
from checkup.collect.watch import Watch
from checkup.plan import EndpointPlan
from checkup.transports.session import ConnectionFacts, Session

# The last deadline of one endpoint, in seconds.
HOST_S = 900


class Open(Protocol):
    def __call__(self, plan: EndpointPlan, facts: ConnectionFacts, fallback: bool = False) -> Session: ...


Left = Callable[[EndpointPlan, bool, ErrorClass | None], None]


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What every endpoint of a run shares."""

    sections: Mapping[str, AnySection]
    open: Open
    clock: Callable[[], datetime]
    watch: Watch
    emit: Emit
    pinned: Callable[[str], str | None]
    sent: Callable[[EndpointPlan, bytes], int]
    # Told when a machine is done: whether it answered, and with which error it ended.
    left: Left = lambda plan, answered, error: None
    open_file: OpenFile = no_files
    open_sql: OpenSql = no_sql
