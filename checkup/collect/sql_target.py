"""A SQL instance of the site: greeted, then asked what its sections want, as few times as can be."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from checkup.api import JSON, ErrorClass, Quality, Sql
from checkup.collect.sql_connection import (
    HELLO_ROWS,
    HELLO_S,
    SqlConnection,
    Timed,
    failure_of,
    not_greeted,
    out_of_time,
)
from checkup.collect.sql_outcomes import Gathered, SectionOutcome, Wanted, complete, refused, rows_of
from checkup.collect.sql_sessions import Ledger, OpenSql
from checkup.plan import EndpointPlan
from checkup.sql.batching import CANARY, Ask, Doubt, Failure, groups
from checkup.sql.engine import Engine, Instance, Row, records
from checkup.sql.errors import Refusal
from checkup.sql.gate import choose, database_refused, wants_of
from checkup.sql.rights import entering
from checkup.transports.odbc.session import SqlError
from checkup.transports.session import ConnectionFacts, TransportError

# What one instance may take in all, in seconds, and what each of its databases adds; never more than the
# endpoint's own last deadline leaves.
INSTANCE_S = 180.0
DATABASE_S = 4.0
MOST_S = 840.0

# An instance of a hoster may have thousands: the rest is named as not looked into.
MOST_DATABASES = 1000


@dataclass(eq=False)
class SqlVisit:
    """One look at one instance. `greeted` is told who answers, before anything else is asked; it raises
    TransportError where that is not who it should be."""

    plan: EndpointPlan
    engine: Engine
    collectors: Mapping[str, Sql]
    open: OpenSql
    facts: ConnectionFacts
    ledger: Ledger
    greeted: Callable[[Instance], None]
    monotonic: Callable[[], float] = time.monotonic
    _connection: SqlConnection = field(init=False)

    def __post_init__(self) -> None:
        self._connection = SqlConnection(self.plan, self.engine, self.open, self.ledger, self.monotonic)

    def run(self) -> Iterator[SectionOutcome]:
        """The sections as they are done. Raises TransportError where the instance cannot be asked, or not
        to the end; what came until then was handed out."""
        self._connection.ends_at = self.monotonic() + INSTANCE_S
        try:
            instance = self._greet()
            wanted: list[Wanted] = []
            for name, sql in self.collectors.items():
                found = choose(sql, instance)
                if isinstance(found, Refusal):
                    yield refused(name, found)
                else:
                    wanted.append(Wanted(name, sql, found))
            # Those of one limit follow on another: where a server is told of it, that is a round trip each.
            wanted.sort(key=lambda one: one.sql.timeout_s)
            yield from self._of_the_server(instance, [one for one in wanted if one.sql.scope == "server"])
            yield from self._of_databases(instance, [one for one in wanted if one.sql.scope == "database"])
        finally:
            self._connection.close()

    def stop(self) -> None:
        """End the look from outside; the next answer is an error."""
        self._connection.stop()

    # --- who answers ---

    def _greet(self) -> Instance:
        wants = wants_of(self.engine.name, self.collectors.values())
        statements = self.engine.hello(wants)
        asks = [
            Ask(name=one.name, text=one.text, timeout_s=HELLO_S, most_rows=HELLO_ROWS) for one in statements
        ]
        try:
            answers = self._connection.hello(asks, self.facts)
        except SqlError as error:
            raise not_greeted(self.engine, failure_of(error)) from None
        rows: dict[str, Sequence[Row]] = {}
        for statement in statements:
            answer = answers.get(statement.name, Doubt("the server's answer does not hold it"))
            if not isinstance(answer, Failure | Doubt):
                rows[statement.name] = records(answer)
            elif statement.required:
                raise not_greeted(self.engine, answer)
        try:
            instance = self.engine.read(rows, wants)
        except (ValueError, LookupError) as error:
            raise TransportError(
                ErrorClass.BAD_OUTPUT,
                f"it does not answer as {self.engine.title} does ({type(error).__name__})",
            ) from None
        self.greeted(instance)
        return instance

    # --- the instance as a whole ---

    def _of_the_server(self, instance: Instance, wanted: Sequence[Wanted]) -> Iterator[SectionOutcome]:
        by_name = {one.name: one for one in wanted}
        for group in groups(self.engine, [ask for one in wanted for ask in one.asks()]):
            answers = self._connection.ask(instance, group)
            for ask in group:
                if ask.name in by_name:
                    one = by_name[ask.name]
                    found = answers[ask.name]
                    made = _rows(instance, one, answers)
                    if isinstance(made, Refusal):
                        yield replace(refused(one.name, made), milliseconds=found.milliseconds)
                    else:
                        rows, cut = made
                        yield complete(instance, one, rows, {}, cut, found.milliseconds)

    # --- each database ---

    def _of_databases(self, instance: Instance, wanted: Sequence[Wanted]) -> Iterator[SectionOutcome]:
        if not wanted:
            return
        gathered = {one.name: Gathered(one) for one in wanted}
        line = self._connection
        databases = instance.databases[:MOST_DATABASES]
        line.ends_at = min(line.ends_at + DATABASE_S * len(databases), line.ends_at - INSTANCE_S + MOST_S)
        for database in databases:
            if database.unavailable:
                why = Refusal(
                    quality=Quality.UNREACHABLE, error=ErrorClass.UNREACHABLE, reason=database.unavailable
                )
            elif not database.enters:
                why = Refusal(
                    quality=Quality.DENIED,
                    error=ErrorClass.DENIED,
                    reason=entering(instance, database.name),
                )
            else:
                why = self._of_one(instance, database.name, gathered)
            if why is not None:
                for one in gathered.values():
                    one.lacks(database.name, why)
        if len(instance.databases) > MOST_DATABASES:
            rest = f"{len(instance.databases) - MOST_DATABASES} more databases were left out"
            for one in gathered.values():
                one.lacks("…", Refusal(quality=Quality.PARTIAL, error=ErrorClass.QUOTA, reason=rest))
        for one in gathered.values():
            yield one.outcome(instance)

    def _of_one(self, instance: Instance, database: str, gathered: Mapping[str, Gathered]) -> Refusal | None:
        """One database for all sections; why none of them could look into it, or None."""
        if self._connection.over():
            return out_of_time()
        try:
            self._connection.use(database)
        except SqlError as error:
            return database_refused(instance, database, failure_of(error))
        except TransportError as error:
            if not self.engine.session_each:
                raise
            return Refusal(quality=Quality.UNREACHABLE, error=error.error, reason=error.detail)
        asks = [ask for one in gathered.values() for ask in one.wanted.asks()]
        for group in groups(self.engine, asks, most=len(asks)):
            answers = self._connection.ask(instance, group, database)
            for ask in group:
                if ask.name in gathered:
                    one = gathered[ask.name]
                    one.add(database, _rows(instance, one.wanted, answers))
        return None


def _rows(
    instance: Instance, one: Wanted, answers: Mapping[str, Timed]
) -> tuple[list[dict[str, JSON]], bool] | Refusal:
    canary = answers.get(one.name + CANARY)
    return rows_of(instance, one, answers[one.name].answer, canary.answer if canary else None)
