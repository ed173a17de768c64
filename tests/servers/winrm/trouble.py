"""What can go wrong between a client and a server, arranged request by request."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .faults import Fault

EVERY = 0


@dataclass(frozen=True)
class Page:
    """An answer that is not WS-Management's."""

    status: int
    text: str
    content_type: str = "text/html; charset=utf-8"


PORTAL = Page(
    200, "<!DOCTYPE html><html><head><title>Guest network</title></head><body>Log in.</body></html>"
)
UNAVAILABLE = Page(503, "The service is unavailable.", "text/plain")
PROXY_PAGE = Page(502, "<html><head><title>502 Proxy Error</title></head><body>No route.</body></html>")


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What befalls the `nth` request (`EVERY`: each) of an action, counted from the server's start.

    `action`: "Create", "Command", "Send", "Receive", "Signal", "Delete", "Enumerate", "Pull", "Identify";
    "Login" is a request without a message, whose headers take part in an authentication; "Unsealed" one
    that was sealed for another context; "*" is any.

    In this order: `delay_s` passes; `silent` never answers; `lose_shells` ends every shell and goes on;
    `fault`, `page` or `malformed` is answered in place of what was asked (`after` it was done, if so);
    with `unrelated` the answer claims to be that of another request;
    `drop_after` sends only that many bytes of the answer, its status line included, and closes the
    connection (`abruptly`: by a reset); `close_after` sends the whole answer, then closes.
    """

    action: str
    nth: int = 1
    delay_s: float = 0
    silent: bool = False
    lose_shells: bool = False
    fault: Fault | None = None
    page: Page | None = None
    malformed: bool = False
    after: bool = False
    unrelated: bool = False
    drop_after: int | None = None
    abruptly: bool = False
    close_after: bool = False


class Troubles(list[Trouble]):
    """Append to it at any time."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: Counter[str] = Counter()

    def meet(self, action: str) -> list[Trouble]:
        """Counts a request, and gives what befalls it."""
        self._seen.update((action, "*"))
        return [
            trouble
            for trouble in self
            if trouble.action in (action, "*") and trouble.nth in (EVERY, self._seen[trouble.action])
        ]
