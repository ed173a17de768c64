"""Refused logins, counted by the error log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    SUPPORTABILITY,
    Context,
    Impact,
    Instant,
    NotChecked,
    Number,
    Probe,
    Result,
    Step,
    Value,
    Worse,
    judge,
)
from probes.sqlserver.error_log import LEAST_DAYS, LOOK_BACK_DAYS, RIGHTS
from probes.sqlserver.logged_errors import Logs, last_of, seen_in

# Refused, account disabled, locked out, password expired, password must be changed.
REFUSED = frozenset({18456, 18470, 18486, 18487, 18488})


@dataclass(frozen=True, slots=True)
class RefusedLevels:
    days: int = LOOK_BACK_DAYS
    least_days: int = LEAST_DAYS
    many_an_hour: int = 60  # one a minute is no person; our own
    attack_an_hour: int = 600


def check(facts: Logs, levels: RefusedLevels, ctx: Context) -> Iterator[Result]:
    seen = seen_in(facts, levels.days, levels.least_days)
    if isinstance(seen, NotChecked):
        yield seen
        return
    refused = seen.of(lambda one: one.number in REFUSED)
    if not refused:
        # The instance may be set to record none ("Configure login auditing"), which only a sysadmin may ask.
        yield NotChecked(reason="the error log holds no refused login: there was none, or none is recorded")
        return
    hours = Counter(one.at.replace(minute=0, second=0, microsecond=0) for one in refused)
    evidence: dict[str, Value] = {
        "count": Number(len(refused)),
        "last": Instant(last_of(refused)),
        "since": Instant(seen.window.since),
    }
    yield from judge(
        "refused_an_hour",
        Number(max(hours.values())),
        (Step(levels.attack_an_hour, Impact.MAJOR), Step(levels.many_an_hour, Impact.LIMITED)),
        worse=Worse.HIGHER,
        message="many",
        function=SUPPORTABILITY,
        evidence=evidence,
    )


probe = Probe(
    id="sqlserver.log-refused-logins",
    title="Few logins are refused",
    check=check,
    levels=RefusedLevels(),
    kind="sqlserver",
    messages={
        "many": "In the worst hour {refused_an_hour} logins were refused, {count} since {since}, the last on "
        "{last}."
    },
    why="Somebody guesses passwords, or a service knocks with an old one, and may lock out an account.",
    remedy=(
        "Read the lines with 18456 in the error log: they name login and address. A machine of the clinic: "
        "correct the password in the service or ODBC source there. An address outside: close port 1433 in "
        "the firewall at once, see that sa is disabled, and call us."
    ),
    verify="The error log shows fewer than one refused login a minute on the following days.",
    rights=RIGHTS,
    references=("MSSQLSERVER_18456, Microsoft Learn",),
)
