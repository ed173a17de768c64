"""What the scenarios on real servers share: examined as a run does it, remedies followed word by word."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import pytest

import probes
from checkup.analyse.judge import World, judge_target
from checkup.api import Scope, Sql, Target
from checkup.assessment import ItemResult, Outcome
from checkup.catalogue import LevelsInForce
from checkup.collect.sql_sessions import LedgerRow
from checkup.collect.sql_target import SqlVisit
from checkup.plan import EndpointPlan
from checkup.snapshot import SectionSnapshot
from checkup.sql.engine import Engine, Instance
from checkup.testing.package import contents
from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.odbc.session import ResultSet, SqlSession, open_sql
from checkup.transports.session import ConnectionFacts, Credential, Deadlines, Told, open_gate, untold

CATALOGUE = contents(probes).catalogue
LOGIN = "checkup_ro"
STRANGER = "stranger"  # may log in, and holds no right
Results = dict[tuple[str, str], ItemResult]


class Server(Protocol):
    """A server of tests/servers; `run` is its administrator."""

    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def password(self) -> str: ...

    def run(self, sql: str, *, database: str = ...) -> list[list[str]]: ...


@dataclasses.dataclass(frozen=True)
class Examiner:
    """Looks at servers of one engine with the built-in probes. All logins have the server's password."""

    engine: Engine

    @property
    def probes(self) -> tuple[str, ...]:
        """Those that ask an instance anything."""
        return tuple(
            name
            for name, entry in sorted(CATALOGUE.entries.items())
            if entry.probe.kind == self.engine.name
            and entry.probe.scope is Scope.TARGET
            and self.collectors_of(name)
        )

    def collectors_of(self, *ids: str) -> dict[str, Sql]:
        """What is asked for these probes, by section."""
        found: dict[str, Sql] = {}
        for section in (section for one in ids for section in CATALOGUE.entries[one].sections):
            sql = section.collect.get(self.engine.name)  # the connection's own facts are asked of nobody
            if isinstance(sql, Sql):
                found[section.name] = sql
        return found

    def rights_of(self, probe: str) -> set[str]:
        """Of the newest version's statements, without what the probe can do without."""
        needed = {need.section.name for need in CATALOGUE.entries[probe].needs if not need.optional}
        asked = (sql for name, sql in self.collectors_of(probe).items() if name in needed)
        return {right for sql in asked for right in sql.variants[0].rights}

    def examined(
        self,
        server: Server,
        *ids: str,
        login: str = LOGIN,
        levels: Mapping[str, Any] | None = None,
        declare: Mapping[str, Any] | None = None,
    ) -> Results:
        """What these probes say of the server, by probe and item; `levels` are put in the place of their
        own."""
        snapshots = {
            ("db", one.section): one for one in self.collected(server, self.collectors_of(*ids), login)
        }
        target = Target(id="db", kind=self.engine.name, declare=dict(declare or {}))
        world = World(
            catalogue=CATALOGUE,
            targets={"db": target},
            snapshots=snapshots,
            now=next(iter(snapshots.values())).collected_at,
            history={},
            previous={},
            previous_at=None,
        )
        found: Results = {}
        for entry in (CATALOGUE.entries[one] for one in ids):
            in_force = LevelsInForce(dataclasses.replace(entry.probe.levels, **(levels or {})), {})
            for one in judge_target(entry, target, in_force, world).results:
                found[entry.probe.id, one.item] = one
        return found

    def collected(self, server: Server, collectors: Mapping[str, Sql], login: str) -> list[SectionSnapshot]:
        """The sections as a run collects them."""
        name = self.engine.name
        place = SqlPlace.model_validate(
            {"engine": name, "server": server.address, "port": server.port, "encryption": "clear"}
        )
        credential = Credential(name="db", user=login, password="env:TEST_SQL_PASSWORD")

        def opened(
            plan: EndpointPlan, facts: ConnectionFacts, database: str = "", *, told: Told = untold
        ) -> _Entered:
            patient = Deadlines(connect_s=10, banner_s=10, auth_s=20)
            session = open_sql(
                place, name, credential, facts=facts, database=database, deadlines=patient, told=told
            )
            return _Entered(session, credential)

        instances: list[Instance] = []
        visit = SqlVisit(
            EndpointPlan(
                site="s",
                endpoint="db",
                transport="odbc",
                platform=name,
                opted_out="",
                targets=("db",),
                sections=(),
            ),
            self.engine,
            collectors,
            open=opened,
            facts=ConnectionFacts(transport="odbc"),
            ledger=_ledger,
            greeted=instances.append,
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TEST_SQL_PASSWORD", server.password)
            outcomes = list(visit.run())
        return [
            SectionSnapshot(
                target="db",
                section=one.name,
                version=1,
                source=name,
                quality=one.quality,
                collected_at=instances[-1].asked_at,
                raw=one.raw,
                error=one.error,
                reason=one.reason,
            )
            for one in outcomes
        ]


@dataclasses.dataclass(frozen=True)
class _Entered:
    """A session that knows with what to log in again."""

    session: SqlSession
    credential: Credential

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[ResultSet]:
        return self.session.run(text, timeout_s=timeout_s, most_rows=most_rows)

    def enter(self, database: str) -> None:
        self.session.enter(database, gate=open_gate, credential=self.credential)

    def close(self) -> None:
        self.session.close()


@contextmanager
def _ledger(text: str) -> Generator[LedgerRow]:
    yield LedgerRow()


def said(probe: str, words: str, names: Mapping[str, str] | None = None) -> str:
    """Words of the probe's remedy, with these names in the place of its own."""
    remedy = CATALOGUE.entries[probe].probe.remedy
    assert words in remedy, f"{probe} does not say: {words}"
    for there, here in (names or {}).items():
        assert there in words
        words = words.replace(there, here)
    return words


def follow(
    server: Server, probe: str, words: str, names: Mapping[str, str] | None = None, *, database: str = ""
) -> None:
    """Run what the remedy of `probe` says, with these names in the place of its own."""
    where = {"database": database} if database else {}
    for statement in said(probe, words, names).split("; "):
        server.run(statement, **where)


def until(server: Server, question: str, answer: str, patience_s: float = 5, *, database: str = "") -> None:
    """What was told to a server reaches its sessions, and what is asked of them, a moment later."""
    where = {"database": database} if database else {}
    deadline = time.monotonic() + patience_s
    while server.run(question, **where) != [[answer]]:
        assert time.monotonic() < deadline, f"{question} is not {answer}"
        # InnoDB shows its transactions anew only to who has not asked for 0.1 s (trx0i_s.cc).
        time.sleep(0.15)


def assert_found(found: Results, probe: str, item: str = "", message: str | None = None) -> ItemResult:
    result = found[probe, item]
    assert result.outcome is Outcome.FINDING, result
    assert message is None or result.message == message
    return result


def assert_gone(found: Results, probe: str, item: str = "") -> None:
    named = found.get((probe, item))
    assert named is None or named.outcome is not Outcome.FINDING, (named.message, named.evidence)
    assert any(name == probe and one.outcome is Outcome.PASSED for (name, _), one in found.items()), found
