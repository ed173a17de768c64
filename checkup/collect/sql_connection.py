"""The connection to a SQL instance: kept, made anew when it is lost, and asked as seldom as can be.

What fails costs only itself: a group of statements that did not come back is asked one by one, and a lost
connection costs nothing but the statement that loses it twice.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from checkup.api import ErrorClass, Quality
from checkup.clean import clean_line
from checkup.collect.sql_outcomes import bad_output
from checkup.collect.sql_sessions import Ledger, LedgerRow, OpenSql, SqlSession
from checkup.plan import EndpointPlan
from checkup.sql.batching import (
    WHERE,
    Answer,
    Ask,
    Doubt,
    Failure,
    batch,
    entered,
    marked,
    patience_s,
    sort_answers,
)
from checkup.sql.engine import Engine, Instance
from checkup.sql.errors import Refusal, refusal
from checkup.sql.gate import database_refused
from checkup.transports.odbc.session import SqlError
from checkup.transports.session import ConnectionFacts, TransportError

if TYPE_CHECKING:
    from checkup.transports.odbc.session import ResultSet

HELLO_S = 20
HELLO_ROWS = 100_000
MOST_REOPENED = 4


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer, or why there is none, with how long it took where it was asked alone."""

    answer: Answer | Refusal
    milliseconds: int | None = None


@dataclass(eq=False)
class SqlConnection:
    """`ends_at`: after that moment nothing more is asked."""

    plan: EndpointPlan
    engine: Engine
    open: OpenSql
    ledger: Ledger
    monotonic: Callable[[], float] = time.monotonic
    ends_at: float = 0.0
    _session: SqlSession | None = None
    _database: str = ""  # of the connection that is open
    _limit_s: int = 0
    _reopened: int = 0
    _stopped: bool = False

    def stop(self) -> None:
        """End it from outside; the next answer is an error."""
        self._stopped = True
        self.close()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def over(self) -> bool:
        return self.monotonic() > self.ends_at

    def use(self, database: str) -> None:
        """Go into a database, unless each batch does so itself. Raises SqlError, TransportError."""
        if self.engine.session_each:
            self._prepare(self._enter(database))
        elif not self.engine.several:
            use = f"USE {self.engine.quoted(database)}"
            with self._told(use):
                self._open_session().run(use, timeout_s=HELLO_S, most_rows=1)

    def _connect(self, database: str = "", facts: ConnectionFacts | None = None) -> SqlSession:
        if self._stopped:
            raise _stopped()
        self.close()
        self._session = None
        self._session = self.open(
            self.plan, facts or ConnectionFacts(transport="odbc"), database, told=self._told
        )
        self._database, self._limit_s = database, 0
        return self._session

    def _enter(self, database: str) -> SqlSession:
        """A session in another database: the open one moves there, if it can."""
        session = self._session
        if session is None or self._stopped:
            return self._connect(database)
        try:
            session.enter(database)
        except TransportError as error:
            if error.error in (ErrorClass.TIMEOUT, ErrorClass.DROPPED):  # its process may be gone
                self.close()
                self._session = None
            raise
        self._database, self._limit_s = database, 0
        return session

    def _prepare(self, session: SqlSession) -> None:
        """Make a session that was opened again as harmless as the first."""
        with self._told(";\n".join(self.engine.opening)):
            for text in self.engine.opening:
                session.run(text, timeout_s=HELLO_S, most_rows=1)
        self._limit_s = self.engine.first_limit_s

    @contextmanager
    def _told(self, text: str) -> Generator[LedgerRow]:
        """The ledger's row around what is sent; it says how that ended."""
        with self.ledger(text) as row:
            try:
                yield row
            except SqlError as error:
                row.outcome = f"error {error.number or error.sqlstate}"
                raise
            except TransportError as error:
                row.outcome = str(error.error)
                raise

    def hello(self, asks: Sequence[Ask], facts: ConnectionFacts) -> dict[str, Answer]:
        """Connecting, opening and greeting: together where one round trip takes both. Raises SqlError,
        TransportError; `facts` is filled in either way."""
        session = self._connect(facts=facts)
        if self.engine.several:
            text = "".join(self.engine.opening) + batch(self.engine, asks)
            with self._told(text) as row:
                given = session.run(text, timeout_s=HELLO_S, most_rows=HELLO_ROWS)
                row.returned_bytes = _size(given)
            return sort_answers(self.engine, asks, given)
        answers: dict[str, Answer] = {}
        with self._told(";\n".join([*self.engine.opening, *map(marked, asks)])) as row:
            for text in self.engine.opening:
                session.run(text, timeout_s=HELLO_S, most_rows=1)
            self._limit_s = self.engine.first_limit_s
            for ask in asks:
                try:
                    given = session.run(marked(ask), timeout_s=HELLO_S, most_rows=HELLO_ROWS)
                except SqlError as error:
                    answers[ask.name] = failure_of(error)
                    continue
                row.returned_bytes += _size(given)
                answers |= sort_answers(self.engine, [ask], given)
        return answers

    # --- asking ---

    def ask(
        self, instance: Instance, group: Sequence[Ask], database: str = "", again: bool = False
    ) -> dict[str, Timed]:
        """An answer for each statement of the group, whatever happens to it but the instance's own end.

        `again`: the connection was lost when it was asked alone before.
        """
        if self.over():
            return {ask.name: Timed(out_of_time()) for ask in group}
        if len(group) > 1 and not self.engine.several:
            return self._one_by_one(instance, group, database)
        text = batch(self.engine, group, database)
        began = self.monotonic()
        try:
            session = self._limited(instance, group)
            with self._told(text) as row:
                given = session.run(
                    text, timeout_s=patience_s(group), most_rows=max(ask.most_rows for ask in group)
                )
                row.returned_bytes = _size(given)
        except SqlError as error:
            return self._failed(instance, group, database, error)
        except TransportError as error:
            return self._lost(instance, group, database, error, again)
        spent = round((self.monotonic() - began) * 1000) if len(group) == 1 else None
        return self._sorted(instance, group, given, database, spent)

    def _sorted(
        self,
        instance: Instance,
        group: Sequence[Ask],
        given: Sequence[ResultSet],
        database: str,
        milliseconds: int | None,
    ) -> dict[str, Timed]:
        """What came, and what did not come asked once more by itself."""
        expected = _with_place(self.engine, group, database)
        answers = sort_answers(self.engine, expected, given)
        told = WHERE.name in answers
        if len(expected) > len(group) and not entered(answers, database):
            if len(group) > 1 and not told:
                return self._one_by_one(instance, group, database)
            elsewhere = bad_output("the session was not in this database")
            return {ask.name: Timed(elsewhere) for ask in group}
        found = {name: Timed(answer, milliseconds) for name, answer in answers.items()}
        left = [ask for ask in group if ask.name not in found]
        if len(group) > 1:
            return found | self._one_by_one(instance, left, database)
        nothing = Timed(bad_output("the server's answer does not hold it"), milliseconds)
        return found | {ask.name: nothing for ask in left}

    def _failed(
        self, instance: Instance, group: Sequence[Ask], database: str, error: SqlError
    ) -> dict[str, Timed]:
        """The batch as such failed: what came before stands, the rest is asked one by one."""
        expected = _with_place(self.engine, group, database)
        came = sort_answers(self.engine, expected, error.done)
        if len(expected) > len(group) and not entered(came, database):
            why = database_refused(instance, database, failure_of(error))
            return {ask.name: Timed(why) for ask in group}
        left = [ask for ask in group if ask.name not in came]
        if len(group) == 1 or not left:
            return {ask.name: Timed(came.get(ask.name, failure_of(error))) for ask in group}
        return {name: Timed(answer) for name, answer in came.items()} | self._one_by_one(
            instance, left, database
        )

    def _lost(
        self,
        instance: Instance,
        group: Sequence[Ask],
        database: str,
        error: TransportError,
        again: bool,
    ) -> dict[str, Timed]:
        """The connection is gone. Raises TransportError where no new one can be had."""
        if self._stopped:
            raise _stopped() from None
        if self._reopened >= MOST_REOPENED:
            raise error
        self._reopened += 1
        place = self._database
        session = self._connect(place)
        try:
            self._prepare(session)
            if database and not self.engine.several and not self.engine.session_each:
                session.run(f"USE {self.engine.quoted(database)}", timeout_s=HELLO_S, most_rows=1)
        except SqlError as failed:
            raise not_greeted(self.engine, failure_of(failed)) from None
        if len(group) > 1:
            return self._one_by_one(instance, group, database)
        # Some drivers tell of a loss only at the next statement, which is not to blame for it.
        if error.error is ErrorClass.DROPPED and not again:
            return self.ask(instance, group, database, again=True)
        quality = Quality.TIMEOUT if error.error is ErrorClass.TIMEOUT else Quality.UNREACHABLE
        why = Refusal(quality=quality, error=error.error, reason=error.detail)
        return {ask.name: Timed(why) for ask in group}

    def _one_by_one(self, instance: Instance, asks: Sequence[Ask], database: str) -> dict[str, Timed]:
        found: dict[str, Timed] = {}
        for ask in asks:
            found |= self.ask(instance, [ask], database)
        return found

    def _limited(self, instance: Instance, group: Sequence[Ask]) -> SqlSession:
        """The session, whose server ends a statement by itself where the engine can be told to."""
        session = self._open_session()
        seconds = max(ask.timeout_s for ask in group)
        text = self.engine.limit(instance, seconds)
        if text and seconds != self._limit_s:
            with self._told(text):
                session.run(text, timeout_s=HELLO_S, most_rows=1)
            self._limit_s = seconds
        return session

    def _open_session(self) -> SqlSession:
        assert self._session is not None
        return self._session


def _with_place(engine: Engine, group: Sequence[Ask], database: str) -> list[Ask]:
    return [WHERE, *group] if database and engine.several else list(group)


def failure_of(error: SqlError) -> Failure:
    return Failure(number=error.number or 0, sqlstate=error.sqlstate or "", text=error.text)


def _size(given: Sequence[ResultSet]) -> int:
    return sum(len(json.dumps(one.rows)) for one in given)


def not_greeted(engine: Engine, answer: Failure | Doubt) -> TransportError:
    why = bad_output(answer.reason) if isinstance(answer, Doubt) else refusal(engine.name, answer)
    return TransportError(
        why.error or ErrorClass.BAD_OUTPUT, f"it does not tell who it is: {clean_line(why.reason)}"
    )


def _stopped() -> TransportError:
    return TransportError(ErrorClass.TIMEOUT, "the instance was not done in its time; the rest was left out")


def out_of_time() -> Refusal:
    return Refusal(
        quality=Quality.TIMEOUT,
        error=ErrorClass.TIMEOUT,
        reason="the time for this instance was over; run the check-up at a quieter hour",
    )
