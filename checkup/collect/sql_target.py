"""A SQL instance of the site: greeted, then asked what its sections want, as few times as can be.

What fails costs only itself: a statement its section, a database itself, a lost connection nothing but the
statement that loses it twice. A connection is made anew a few times; a group of statements that did not come
back is asked one by one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from checkup.api import JSON, ErrorClass, Quality, Sql
from checkup.clean import REASON_LENGTH, clean_line
from checkup.collect.sql_sessions import Ledger, LedgerRow, OpenSql, SqlSession
from checkup.plan import EndpointPlan
from checkup.sql.batching import (
    CANARY,
    WHERE,
    Answer,
    Ask,
    Doubt,
    Failure,
    batch,
    entered,
    groups,
    marked,
    patience_s,
    sort_answers,
)
from checkup.sql.engine import Engine, Instance, Row, records
from checkup.sql.errors import Refusal, refusal
from checkup.sql.gate import Chosen, choose, filtered, wants_of
from checkup.sql.rights import entering, grants_text
from checkup.sql.values import ColumnsDiffer, raw_rows
from checkup.transports.odbc.session import SqlError
from checkup.transports.session import ConnectionFacts, TransportError

if TYPE_CHECKING:
    from checkup.transports.odbc.session import ResultSet

# What one instance may take in all, in seconds, and what each of its databases adds; never more than the
# endpoint's own last deadline leaves.
INSTANCE_S = 180.0
DATABASE_S = 4.0
MOST_S = 840.0

HELLO_S = 20
HELLO_ROWS = 100_000
MOST_REOPENED = 4

# An instance of a hoster may have thousands: the rest is named as not looked into.
MOST_DATABASES = 1000
MOST_ROWS = 50_000  # of one section, from all databases together


@dataclass(frozen=True, kw_only=True)
class SectionOutcome:
    name: str
    quality: Quality
    raw: JSON = None
    reason: str = ""
    error: ErrorClass | None = None
    milliseconds: int | None = None

    @property
    def size(self) -> int:
        return len(json.dumps(self.raw)) if self.raw is not None else 0


def _refused(name: str, why: Refusal) -> SectionOutcome:
    return SectionOutcome(name=name, quality=why.quality, reason=why.reason, error=why.error)


@dataclass(frozen=True, slots=True)
class _Timed:
    """An answer, or why there is none, with how long it took where it was asked alone."""

    answer: Answer | Refusal
    milliseconds: int | None = None


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One section that is asked for."""

    name: str
    sql: Sql
    chosen: Chosen

    def asks(self) -> list[Ask]:
        sql = self.sql
        text = self.chosen.variant.text
        asked = [Ask(name=self.name, text=text, timeout_s=sql.timeout_s, most_rows=sql.most_rows)]
        if sql.canary:
            asked.append(Ask(name=self.name + CANARY, text=sql.canary, timeout_s=sql.timeout_s, most_rows=1))
        return asked


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
    _session: SqlSession | None = None
    _database: str = ""  # of the connection that is open
    _limit_s: int = 0
    _reopened: int = 0
    _ends_at: float = 0.0
    _stopped: bool = False
    _gathered: dict[str, _Gathered] = field(default_factory=dict[str, "_Gathered"])

    def run(self) -> Iterator[SectionOutcome]:
        """The sections as they are done. Raises TransportError where the instance cannot be asked, or not
        to the end; what came until then was handed out."""
        self._ends_at = self.monotonic() + INSTANCE_S
        try:
            instance = self._greet()
            wanted: list[_Wanted] = []
            for name, sql in self.collectors.items():
                found = choose(sql, instance)
                if isinstance(found, Refusal):
                    yield _refused(name, found)
                else:
                    wanted.append(_Wanted(name, sql, found))
            # Those of one limit follow on another: where a server is told of it, that is a round trip each.
            wanted.sort(key=lambda one: one.sql.timeout_s)
            yield from self._of_the_server(instance, [one for one in wanted if one.sql.scope == "server"])
            yield from self._of_databases(instance, [one for one in wanted if one.sql.scope == "database"])
        finally:
            self.close()

    def stop(self) -> None:
        """End the look from outside; the next answer is an error."""
        self._stopped = True
        self.close()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    # --- the connection ---

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

    # --- who answers ---

    def _greet(self) -> Instance:
        wants = wants_of(self.engine.name, self.collectors.values())
        session = self._connect(facts=self.facts)
        statements = self.engine.hello(wants)
        asks = [
            Ask(name=one.name, text=one.text, timeout_s=HELLO_S, most_rows=HELLO_ROWS) for one in statements
        ]
        try:
            answers = self._hello(session, asks)
        except SqlError as error:
            raise self._not_greeted(_failure(error)) from None
        rows: dict[str, Sequence[Row]] = {}
        for statement in statements:
            answer = answers.get(statement.name, Doubt("the server's answer does not hold it"))
            if not isinstance(answer, Failure | Doubt):
                rows[statement.name] = records(answer)
            elif statement.required:
                raise self._not_greeted(answer)
        try:
            instance = self.engine.read(rows, wants)
        except (ValueError, LookupError) as error:
            raise TransportError(
                ErrorClass.BAD_OUTPUT,
                f"it does not answer as {self.engine.title} does ({type(error).__name__})",
            ) from None
        self.greeted(instance)
        return instance

    def _hello(self, session: SqlSession, asks: Sequence[Ask]) -> dict[str, Answer]:
        """Opening and greeting: together where one round trip takes both."""
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
                    answers[ask.name] = _failure(error)
                    continue
                row.returned_bytes += _size(given)
                answers |= sort_answers(self.engine, [ask], given)
        return answers

    def _not_greeted(self, answer: Failure | Doubt) -> TransportError:
        why = _bad(answer.reason) if isinstance(answer, Doubt) else refusal(self.engine.name, answer)
        return TransportError(
            why.error or ErrorClass.BAD_OUTPUT, f"it does not tell who it is: {clean_line(why.reason)}"
        )

    # --- the instance as a whole ---

    def _of_the_server(self, instance: Instance, wanted: Sequence[_Wanted]) -> Iterator[SectionOutcome]:
        by_name = {one.name: one for one in wanted}
        for group in groups(self.engine, [ask for one in wanted for ask in one.asks()]):
            answers = self._asked(instance, group)
            for ask in group:
                if ask.name in by_name:
                    one = by_name[ask.name]
                    found = answers[ask.name]
                    made = self._rows(instance, one, found, answers.get(ask.name + CANARY))
                    if isinstance(made, Refusal):
                        yield replace(_refused(one.name, made), milliseconds=found.milliseconds)
                    else:
                        rows, cut = made
                        yield _complete(instance, one, rows, {}, cut, found.milliseconds)

    def _rows(
        self, instance: Instance, one: _Wanted, found: _Timed, canary: _Timed | None
    ) -> tuple[list[dict[str, JSON]], bool] | Refusal:
        """A section's rows from one place, and whether there were more of them."""
        for answer in (found.answer, canary.answer if canary else None):
            if isinstance(answer, Refusal):
                return answer
            if isinstance(answer, Doubt):
                return _bad(answer.reason)
            if isinstance(answer, Failure):
                return self._meaning(instance, one, answer)
        if one.sql.canary:
            left_out = _number(canary.answer) if canary else None
            if left_out is None:
                return _bad("whether rows were left out could not be told")
            if left_out:
                return filtered(instance, one.chosen.variant, left_out)
        assert not isinstance(found.answer, Refusal | Failure | Doubt)
        try:
            rows = raw_rows(found.answer, one.sql, instance.utc_offset_minutes)
        except ColumnsDiffer as error:
            return _bad(str(error))
        except ValueError:
            return _bad("a moment among its values cannot be read")
        return rows, found.answer.truncated or len(found.answer.rows) > one.sql.most_rows

    def _meaning(self, instance: Instance, one: _Wanted, failure: Failure) -> Refusal:
        why = refusal(self.engine.name, failure)
        rights = one.chosen.variant.rights
        if why.quality is Quality.DENIED and rights:
            return replace(why, reason=f"{grants_text(instance, rights)}; {why.reason}")
        return why

    # --- each database ---

    def _of_databases(self, instance: Instance, wanted: Sequence[_Wanted]) -> Iterator[SectionOutcome]:
        if not wanted:
            return
        gathered = {one.name: _Gathered(one) for one in wanted}
        databases = instance.databases[:MOST_DATABASES]
        self._ends_at = min(self._ends_at + DATABASE_S * len(databases), self._ends_at - INSTANCE_S + MOST_S)
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

    def _of_one(self, instance: Instance, database: str, gathered: Mapping[str, _Gathered]) -> Refusal | None:
        """One database for all sections; why none of them could look into it, or None."""
        if self._over():
            return _out_of_time()
        try:
            if self.engine.session_each:
                self._prepare(self._enter(database))
            elif not self.engine.several:
                use = f"USE {self.engine.quoted(database)}"
                with self._told(use):
                    self._open_session().run(use, timeout_s=HELLO_S, most_rows=1)
        except SqlError as error:
            return refusal(self.engine.name, _failure(error))
        except TransportError as error:
            if not self.engine.session_each:
                raise
            return Refusal(quality=Quality.UNREACHABLE, error=error.error, reason=error.detail)
        asks = [ask for one in gathered.values() for ask in one.wanted.asks()]
        for group in groups(self.engine, asks, most=len(asks)):
            answers = self._asked(instance, group, database)
            for ask in group:
                if ask.name in gathered:
                    one = gathered[ask.name]
                    canary = answers.get(ask.name + CANARY)
                    one.add(database, self._rows(instance, one.wanted, answers[ask.name], canary))
        return None

    # --- asking ---

    def _asked(
        self, instance: Instance, group: Sequence[Ask], database: str = "", again: bool = False
    ) -> dict[str, _Timed]:
        """An answer for each statement of the group, whatever happens to it but the instance's own end.

        `again`: the connection was lost when it was asked alone before.
        """
        if self._over():
            return {ask.name: _Timed(_out_of_time()) for ask in group}
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
    ) -> dict[str, _Timed]:
        """What came, and what did not come asked once more by itself."""
        expected = _with_place(self.engine, group, database)
        answers = sort_answers(self.engine, expected, given)
        told = WHERE.name in answers
        if len(expected) > len(group) and not entered(answers, database):
            if len(group) > 1 and not told:
                return self._one_by_one(instance, group, database)
            elsewhere = _bad("the session was not in this database")
            return {ask.name: _Timed(elsewhere) for ask in group}
        found = {name: _Timed(answer, milliseconds) for name, answer in answers.items()}
        left = [ask for ask in group if ask.name not in found]
        if len(group) > 1:
            return found | self._one_by_one(instance, left, database)
        nothing = _Timed(_bad("the server's answer does not hold it"), milliseconds)
        return found | {ask.name: nothing for ask in left}

    def _failed(
        self, instance: Instance, group: Sequence[Ask], database: str, error: SqlError
    ) -> dict[str, _Timed]:
        """The batch as such failed: what came before stands, the rest is asked one by one."""
        expected = _with_place(self.engine, group, database)
        came = sort_answers(self.engine, expected, error.done)
        why = refusal(self.engine.name, _failure(error))
        if len(expected) > len(group) and not entered(came, database):
            return {ask.name: _Timed(why) for ask in group}
        left = [ask for ask in group if ask.name not in came]
        if len(group) == 1 or not left:
            return {ask.name: _Timed(came.get(ask.name, _failure(error))) for ask in group}
        return {name: _Timed(answer) for name, answer in came.items()} | self._one_by_one(
            instance, left, database
        )

    def _lost(
        self,
        instance: Instance,
        group: Sequence[Ask],
        database: str,
        error: TransportError,
        again: bool,
    ) -> dict[str, _Timed]:
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
            raise self._not_greeted(_failure(failed)) from None
        if len(group) > 1:
            return self._one_by_one(instance, group, database)
        # Some drivers tell of a loss only at the next statement, which is not to blame for it.
        if error.error is ErrorClass.DROPPED and not again:
            return self._asked(instance, group, database, again=True)
        quality = Quality.TIMEOUT if error.error is ErrorClass.TIMEOUT else Quality.UNREACHABLE
        why = Refusal(quality=quality, error=error.error, reason=error.detail)
        return {ask.name: _Timed(why) for ask in group}

    def _one_by_one(self, instance: Instance, asks: Sequence[Ask], database: str) -> dict[str, _Timed]:
        found: dict[str, _Timed] = {}
        for ask in asks:
            found |= self._asked(instance, [ask], database)
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

    def _over(self) -> bool:
        return self.monotonic() > self._ends_at


@dataclass(eq=False)
class _Gathered:
    """One section's rows from all databases."""

    wanted: _Wanted
    rows: list[dict[str, JSON]] = field(default_factory=list[dict[str, JSON]])
    missing: dict[str, JSON] = field(default_factory=dict[str, JSON])
    cut: bool = False

    def add(self, database: str, made: tuple[list[dict[str, JSON]], bool] | Refusal) -> None:
        if isinstance(made, Refusal):
            self.lacks(database, made)
            return
        rows, cut = made
        room = MOST_ROWS - len(self.rows)
        self.rows += rows[:room]
        self.cut = self.cut or cut or len(rows) > room

    def lacks(self, database: str, why: Refusal) -> None:
        error = why.error or ErrorClass.BAD_OUTPUT
        self.missing[database] = {"reason": clean_line(why.reason, REASON_LENGTH), "error": error.value}

    def outcome(self, instance: Instance) -> SectionOutcome:
        return _complete(instance, self.wanted, self.rows, self.missing, self.cut, None)


def _complete(
    instance: Instance,
    one: _Wanted,
    rows: list[dict[str, JSON]],
    missing: Mapping[str, JSON],
    cut: bool,
    milliseconds: int | None,
) -> SectionOutcome:
    raw: dict[str, JSON] = {"server": instance.as_json(), "variant": one.chosen.number}
    raw["rows"] = list(rows)
    if missing:
        raw["missing"] = dict(missing)
    where = " of a database" if one.sql.scope == "database" else ""
    return SectionOutcome(
        name=one.name,
        quality=Quality.PARTIAL if cut else Quality.OK,
        raw=raw,
        reason=f"there were more rows than the {one.sql.most_rows}{where} that are read" if cut else "",
        milliseconds=milliseconds,
    )


def _with_place(engine: Engine, group: Sequence[Ask], database: str) -> list[Ask]:
    return [WHERE, *group] if database and engine.several else list(group)


def _number(answer: Answer | Refusal) -> int | None:
    """The one number of a canary's one row."""
    if isinstance(answer, Refusal | Failure | Doubt) or not answer.rows or not answer.rows[0]:
        return None
    value = answer.rows[0][0]
    return int(value) if isinstance(value, int | float) else None


def _failure(error: SqlError) -> Failure:
    return Failure(number=error.number or 0, sqlstate=error.sqlstate or "", text=error.text)


def _size(given: Sequence[ResultSet]) -> int:
    return sum(len(json.dumps(one.rows)) for one in given)


def _bad(reason: str) -> Refusal:
    return Refusal(quality=Quality.BAD_OUTPUT, error=ErrorClass.BAD_OUTPUT, reason=reason)


def _stopped() -> TransportError:
    return TransportError(ErrorClass.TIMEOUT, "the instance was not done in its time; the rest was left out")


def _out_of_time() -> Refusal:
    return Refusal(
        quality=Quality.TIMEOUT,
        error=ErrorClass.TIMEOUT,
        reason="the time for this instance was over; run the check-up at a quieter hour",
    )
