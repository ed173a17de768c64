"""The first Windows machine of a run is examined alone.

What one machine's protection software takes for an attack, all of them will: forty alarms at once are
an incident at the client's, one is a telephone call. So until one machine has answered, no other is
sent anything; and where protection software stopped the first, the others are not tried.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from checkup.api import ErrorClass
from checkup.transports.session import TransportError


@dataclass
class FirstHost:
    """One for a run, shared by all its threads. Machines wait in `enter`, reached but not logged in."""

    _turn: threading.Lock = field(default_factory=threading.Lock)
    _examined: str = ""  # who has the turn
    _proven: bool = False
    _blocked_on: str = ""

    def enter(self, endpoint: str) -> None:
        """Raises TransportError (blocked_by_av) where an earlier machine's protection stopped us."""
        if not self._proven and self._examined != endpoint:
            self._turn.acquire()
            if self._proven or self._blocked_on:
                self._turn.release()
            else:
                self._examined = endpoint
        if self._blocked_on and self._blocked_on != endpoint:
            raise TransportError(
                ErrorClass.BLOCKED_BY_AV,
                f"not tried: protection software on {self._blocked_on} stopped the check-up; have the script "
                "approved there first (`checkup access-request` names it)",
            )

    def leave(self, endpoint: str, *, answered: bool, error: ErrorClass | None) -> None:
        """The machine is done: `answered` if it ran our script."""
        if self._examined != endpoint:
            return
        if error is ErrorClass.BLOCKED_BY_AV:
            self._blocked_on = endpoint
        elif answered:
            self._proven = True
        self._examined = ""
        self._turn.release()
