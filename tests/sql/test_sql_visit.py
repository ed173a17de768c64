"""One look at one instance, whatever it does. The server is a fake; tests/workflow asks real ones."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
from fake_session import Answer, FakeServer, postgresql_answers, sqlserver_answers
from sql_examples import Job, Rows, Size, sql

from checkup.api import ErrorClass, Quality, Sql
from checkup.collect import sql_target
from checkup.collect.sql_outcomes import SectionOutcome
from checkup.collect.sql_sessions import LedgerRow
from checkup.collect.sql_target import SqlVisit
from checkup.plan import EndpointPlan
from checkup.sql.batching import DONE
from checkup.sql.engine import Engine, Instance
from checkup.sql.postgresql import POSTGRESQL
from checkup.sql.sqlserver import SQLSERVER
from checkup.transports.odbc.session import SqlError
from checkup.transports.session import ConnectionFacts, TransportError

JOBS = Rows(("job", "last_run_at"), [["backup", "2026-06-01T01:00:00"]])
TIMEOUT = SqlError("HYT00", 0, "Timeout expired")
GONE = TransportError(ErrorClass.DROPPED, "the connection broke off")


@dataclass
class Seen:
    sections: dict[str, SectionOutcome] = field(default_factory=dict[str, SectionOutcome])
    ledger: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    error: TransportError | None = None

    def __getitem__(self, name: str) -> SectionOutcome:
        return self.sections[name]

    def rows(self, name: str) -> object:
        raw = self.sections[name].raw
        assert isinstance(raw, dict)
        return raw["rows"]

    def missing(self, name: str) -> dict[str, object]:
        raw = self.sections[name].raw
        assert isinstance(raw, dict)
        found = raw.get("missing", {})
        assert isinstance(found, dict)
        return {**found}


def look(
    server: FakeServer,
    collectors: dict[str, Sql],
    engine: Engine = SQLSERVER,
    clock: list[float] | None = None,
) -> Seen:
    seen = Seen()

    @contextmanager
    def ledger(text: str) -> Generator[LedgerRow]:
        row = LedgerRow()
        sent = len(server.texts)
        try:
            yield row
        finally:
            assert all(one in text for one in server.texts[sent:])  # what is sent stood in the ledger before
            seen.ledger.append((text, row.outcome))

    def greeted(instance: Instance) -> None:
        assert instance.engine == engine.name

    plan = EndpointPlan(
        site="s",
        endpoint="db",
        transport="odbc",
        platform=engine.name,
        opted_out="",
        targets=("db",),
        sections=(),
    )
    times = iter(clock or ())
    visit = SqlVisit(
        plan,
        engine,
        collectors,
        open=server.open,  # pyright: ignore[reportArgumentType]
        facts=ConnectionFacts(transport="odbc"),
        ledger=ledger,
        greeted=greeted,
        monotonic=lambda: next(times, 0.0) if clock else 0.0,
    )
    try:
        for one in visit.run():
            seen.sections[one.name] = one
    except TransportError as error:
        seen.error = error
    return seen


def section(**more: object) -> Sql:
    return sql(**more)  # pyright: ignore[reportArgumentType]


def three() -> dict[str, Sql]:
    return {name: section() for name in ("a", "b", "c")}


def answers(**own: Answer | int) -> dict[str, Answer | int]:
    return {**sqlserver_answers(), "a": JOBS, "b": JOBS, "c": JOBS, **own}


def test_everything_in_two_round_trips():
    server = FakeServer(answers())
    seen = look(server, three())
    assert len(server.texts) == 2 and server.opened == [""] and server.closed >= 1
    assert server.texts[0].startswith("SET LOCK_TIMEOUT")
    assert {one.quality for one in seen.sections.values()} == {Quality.OK}
    assert seen.rows("a") == [{"job": "backup", "last_run_at": "2026-06-01T07:00:00+00:00"}]
    assert [outcome for _, outcome in seen.ledger] == ["asked", "asked"]
    raw = seen["a"].raw
    assert isinstance(raw, dict) and raw["variant"] == 0
    assert raw["server"] == {
        "engine": "sqlserver",
        "version": "15.0.4430.1",
        "edition": "standard",
        "platform": "windows",
        "asked_at": "2026-06-01T08:00:00+00:00",
        "started_at": "2026-05-21T04:00:00+00:00",
    }


def test_one_that_fails_costs_only_itself():
    seen = look(FakeServer(answers(b=229)), three())
    assert seen["a"].quality is seen["c"].quality is Quality.OK
    assert (seen["b"].quality, seen["b"].error) == (Quality.DENIED, ErrorClass.DENIED)


@pytest.mark.parametrize("empty", ["a", "b", "c", "ab", "bc", "ac", "abc"])
@pytest.mark.parametrize("drops", [True, False])
def test_what_finds_nothing_is_not_given_its_neighbours_rows(empty: str, drops: bool):
    """All three have the same columns, and some drivers leave out sets without rows."""
    server = FakeServer(answers(**dict.fromkeys(empty, Rows(JOBS.columns))), drops=drops)
    seen = look(server, three())
    assert {name: len(seen.rows(name)) for name in "abc"} == {name: name not in empty for name in "abc"}  # pyright: ignore[reportArgumentType]
    assert {one.quality for one in seen.sections.values()} == {Quality.OK}
    assert len(server.texts) == 2


class Loses(FakeServer):
    """What it says of the end of b gets lost, the first `times`."""

    times = 1

    def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
        given = super().run(text, timeout_s=timeout_s, most_rows=most_rows)
        lost = [one for one in given if one.columns[0] == DONE and one.rows[0][0] == "b"]
        if lost and self.times:
            self.times -= 1
            return [one for one in given if one not in lost]
        return given


def test_what_does_not_tell_its_end_is_asked_again_alone():
    """And so is what follows it, before whose end stands more than its own."""
    server = Loses(answers(b=Rows(JOBS.columns)))
    seen = look(server, three())
    assert [len(seen.rows(name)) for name in "abc"] == [1, 0, 1]  # pyright: ignore[reportArgumentType]
    assert {one.quality for one in seen.sections.values()} == {Quality.OK}
    assert len(server.texts) == 4 and "checkup:a" not in server.texts[2] + server.texts[3]
    server = Loses(answers())
    server.times = 2
    assert look(server, three())["b"].quality is Quality.BAD_OUTPUT


def test_a_database_that_is_not_told_is_asked_again():
    class Once(FakeServer):
        lost = False

        def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
            given = super().run(text, timeout_s=timeout_s, most_rows=most_rows)
            if "USE [ledger]" in text and not self.lost:
                self.lost = True
                return []
            return given

    server = Once({**sqlserver_answers([("ledger", "ONLINE", 1)]), "sizes": size, "more": size})
    seen = look(server, SIZES)
    assert not seen.missing("sizes") and len(seen.rows("more")) == 1  # pyright: ignore[reportArgumentType]


def test_rows_that_the_server_did_not_count_are_no_facts():
    class Miscounts(FakeServer):
        def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
            given = super().run(text, timeout_s=timeout_s, most_rows=most_rows)
            return [one for one in given if one.columns != JOBS.columns]

    seen = look(Miscounts(answers()), three())
    assert {one.quality for one in seen.sections.values()} == {Quality.BAD_OUTPUT}
    assert seen["a"].reason == "the server says that it has 1 rows, and 0 came"


def test_a_right_that_lacks_is_told_before_anything_is_sent():
    server = FakeServer({**sqlserver_answers(held=False), "a": JOBS})
    seen = look(server, {"a": section(rights=("VIEW SERVER STATE",))})
    assert (seen["a"].quality, seen["a"].reason) == (
        Quality.DENIED,
        "GRANT VIEW SERVER STATE TO [checkup_ro]",
    )
    assert len(server.texts) == 1


def test_an_error_for_want_of_a_right_names_the_grant_as_well():
    seen = look(FakeServer(answers(a=300)), {"a": section(rights=("VIEW SERVER STATE",))})
    assert seen["a"].reason.startswith("GRANT VIEW SERVER STATE TO [checkup_ro]; the login may not see this")


@pytest.mark.parametrize(
    ("said", "quality"),
    [(0, Quality.OK), (2, Quality.FILTERED), (None, Quality.BAD_OUTPUT), ("x", Quality.BAD_OUTPUT)],
)
def test_rows_that_are_left_out_without_a_word_pass_nothing(said: object, quality: Quality):
    canary = Rows(("left_out",), [[said]])  # pyright: ignore[reportArgumentType]
    server = FakeServer({**answers(), "a:canary": canary})
    seen = look(server, {"a": section(canary="SELECT COUNT(*) AS left_out")})
    assert seen["a"].quality is quality
    assert len(server.texts) == 2


def test_where_each_statement_goes_alone_a_canary_is_listened_to_as_well():
    for left_out, quality in ((0, Quality.OK), (2, Quality.FILTERED), (None, Quality.BAD_OUTPUT)):
        canary = Rows(("left_out",), [[left_out]])
        server = FakeServer({**postgresql_answers(["ledger"]), "a": JOBS, "a:canary": canary})
        assert look(server, {"a": section(canary="SELECT 1")}, POSTGRESQL)["a"].quality is quality
        inside = {"sizes": sql(row=Size, scope="database", canary="SELECT 1")}
        server = FakeServer({**postgresql_answers(["ledger"]), "sizes": size, "sizes:canary": canary})
        seen = look(server, inside, POSTGRESQL)
        assert bool(seen.missing("sizes")) is bool(quality is not Quality.OK)
        assert bool(seen.rows("sizes")) is bool(quality is Quality.OK)


def test_a_canary_that_fails_passes_nothing():
    seen = look(FakeServer({**answers(), "a:canary": 229}), {"a": section(canary="SELECT 1 AS left_out")})
    assert seen["a"].quality is Quality.DENIED


def test_too_many_rows_are_part_of_the_truth():
    seen = look(FakeServer(answers(a=Rows(JOBS.columns, JOBS.rows * 9))), {"a": section(most_rows=4)})
    assert seen["a"].quality is Quality.PARTIAL and len(seen.rows("a")) == 4  # pyright: ignore[reportArgumentType]
    seen = look(FakeServer(answers(a=Rows(JOBS.columns, JOBS.rows, truncated=True))), {"a": section()})
    assert seen["a"].quality is Quality.PARTIAL and "more rows than the 500" in seen["a"].reason


def test_other_columns_than_promised_are_no_facts():
    seen = look(FakeServer(answers(a=Rows(("job",), [["x"]]))), three())
    assert (seen["a"].quality, seen["b"].quality) == (Quality.BAD_OUTPUT, Quality.OK)


def test_after_a_time_out_the_rest_is_asked_one_by_one():
    """What hangs then costs its own time alone; what came before it stands."""
    server = FakeServer(answers(b=TIMEOUT))
    seen = look(server, three())
    assert (seen["a"].quality, seen["b"].quality, seen["c"].quality) == (
        Quality.OK,
        Quality.TIMEOUT,
        Quality.OK,
    )
    assert len(server.texts) == 4 and server.opened == [""]
    assert [outcome for _, outcome in seen.ledger] == ["asked", "error HYT00", "error HYT00", "asked"]


def lost_once(*names: str) -> dict[str, Answer | int]:
    left = list(names)

    def answer(server: FakeServer, text: str) -> Rows | TransportError:
        return GONE if left and left.pop() else JOBS

    return answers(b=answer)


def test_a_connection_that_is_lost_is_made_anew_as_harmless_as_the_first():
    server = FakeServer(lost_once("once"))
    seen = look(server, three())
    assert server.opened == ["", ""]
    assert {one.quality for one in seen.sections.values()} == {Quality.OK}
    assert server.texts[2].startswith("SET LOCK_TIMEOUT")


def test_what_loses_the_connection_again_is_left_out():
    server = FakeServer(lost_once("in the batch", "alone", "and again"))
    seen = look(server, three())
    assert seen.error is None and server.opened == ["", "", "", ""]
    assert (seen["b"].quality, seen["b"].error) == (Quality.UNREACHABLE, ErrorClass.DROPPED)
    assert seen["a"].quality is seen["c"].quality is Quality.OK


def test_a_loss_that_is_told_late_is_not_held_against_the_next_statement():
    """The batch ends with an error of no number; only the statement after it finds the connection gone."""
    left = [GONE, SqlError("HY000", 0, "Unknown error")]

    def first(server: FakeServer, text: str) -> Rows | SqlError | TransportError:
        return left.pop() if left else JOBS

    seen = look(FakeServer(answers(a=first)), three())
    assert {one.quality for one in seen.sections.values()} == {Quality.OK}


def test_a_connection_that_never_holds_ends_the_look():
    seen = look(FakeServer(answers(a=GONE, b=GONE, c=GONE)), three())
    assert seen.error is not None and seen.error.error is ErrorClass.DROPPED
    assert {one.quality for one in seen.sections.values()} <= {Quality.UNREACHABLE}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Rows(("version",), [["x"]]), ErrorClass.BAD_OUTPUT),
        (Rows(("x",)), ErrorClass.BAD_OUTPUT),
        (229, ErrorClass.DENIED),
        (TIMEOUT, ErrorClass.TIMEOUT),
        (GONE, ErrorClass.DROPPED),
    ],
)
def test_who_does_not_say_who_it_is_is_asked_nothing(said: Answer | int, error: ErrorClass):
    server = FakeServer(answers(hello=said))
    seen = look(server, three())
    assert seen.error is not None and seen.error.error is error
    assert not seen.sections and len(server.texts) == 1 and server.closed


# --- databases ------------------------------------------------------------------------------------


def size(server: FakeServer, text: str) -> Rows:
    return Rows(("database", "used_bytes"), [[server.database, 4096]])


SIZES = {"sizes": sql(row=Size, scope="database"), "more": sql(row=Size, scope="database")}


def test_each_database_is_one_round_trip_and_those_that_are_closed_are_named():
    listed = [
        ("ledger", "ONLINE", 1),
        ("old", "OFFLINE", 0),
        ("a]b'c", "ONLINE", 1),
        ("foreign", "ONLINE", 0),
    ]
    server = FakeServer({**sqlserver_answers(listed), "sizes": size, "more": size})
    seen = look(server, SIZES)
    assert seen.rows("sizes") == [
        {"database": "ledger", "used_bytes": 4096},
        {"database": "a]b'c", "used_bytes": 4096},
    ]
    assert seen.missing("sizes") == seen.missing("more")
    assert seen.missing("sizes") == {
        "old": {"reason": "the database is not open: offline", "error": "unreachable"},
        "foreign": {"reason": "GRANT CONNECT ANY DATABASE TO [checkup_ro]", "error": "denied"},
    }
    assert seen["sizes"].quality is Quality.OK
    assert len(server.texts) == 3


def test_what_fails_in_one_database_is_missing_there_alone():
    def sometimes(server: FakeServer, text: str) -> Rows | SqlError:
        return TIMEOUT if server.database == "slow" else size(server, text)

    listed = [(name, "ONLINE", 1) for name in ("ledger", "slow", "zoo")]
    seen = look(FakeServer({**sqlserver_answers(listed), "sizes": sometimes, "more": size}), SIZES)
    assert list(seen.missing("sizes")) == ["slow"] and not seen.missing("more")
    assert len(seen.rows("more")) == 3  # pyright: ignore[reportArgumentType]


def test_a_use_that_failed_lets_no_other_databases_rows_in():
    class Stays(FakeServer):
        def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
            return super().run(text.replace("USE [ledger]", ""), timeout_s=timeout_s, most_rows=most_rows)

    server = Stays({**sqlserver_answers([("ledger", "ONLINE", 1)]), "sizes": size, "more": size})
    seen = look(server, SIZES)
    assert seen.rows("sizes") == [] and list(seen.missing("sizes")) == ["ledger"]


def test_a_database_that_cannot_be_used_after_all():
    class Refuses(FakeServer):
        def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
            if "USE [ledger]" in text:
                raise SqlError("42000", 942, "Database 'ledger' cannot be opened because it is offline.")
            return super().run(text, timeout_s=timeout_s, most_rows=most_rows)

    server = Refuses(
        {**sqlserver_answers([("ledger", "ONLINE", 1), ("zoo", "ONLINE", 1)]), "sizes": size, "more": size}
    )
    seen = look(server, SIZES)
    assert seen.missing("sizes").keys() == {"ledger"}
    assert seen.rows("sizes") == [{"database": "zoo", "used_bytes": 4096}]


def test_a_database_that_does_not_let_the_login_in_after_all_is_named_with_the_grant():
    """HAS_DBACCESS said 1, and USE fails."""

    class Refuses(FakeServer):
        def run(self, text: str, *, timeout_s: float, most_rows: int) -> list[Rows]:
            if "USE [ledger]" in text:
                raise SqlError("08004", 916, "The login cannot access the database.")
            return super().run(text, timeout_s=timeout_s, most_rows=most_rows)

    listed = sqlserver_answers([("ledger", "ONLINE", 1), ("zoo", "ONLINE", 1)])
    seen = look(Refuses({**listed, "sizes": size, "more": size}), SIZES)
    why = "the login may not see this (error 916: The login cannot access the database)"
    told = {"reason": f"GRANT CONNECT ANY DATABASE TO [checkup_ro]; {why}", "error": "denied"}
    assert seen.missing("sizes") == seen.missing("more") == {"ledger": told}
    assert seen.rows("sizes") == [{"database": "zoo", "used_bytes": 4096}]


def test_a_postgresql_is_entered_by_a_connection_for_each_database():
    server = FakeServer({**postgresql_answers(["ledger", "shut", "zoo"]), "sizes": size, "more": size})
    server.refused["shut"] = TransportError(ErrorClass.DENIED, "it takes no connection from here")
    seen = look(server, SIZES, POSTGRESQL)
    assert server.opened == ["", "ledger", "zoo"]
    assert [row["database"] for row in seen.rows("sizes")] == ["ledger", "zoo"]  # pyright: ignore
    assert seen.missing("more") == {"shut": {"reason": "it takes no connection from here", "error": "denied"}}
    opening = [text for text in server.texts if "default_transaction_read_only = on" in text]
    assert len(opening) == 3


def test_a_database_that_refuses_costs_no_other_process():
    server = FakeServer({**postgresql_answers(["full", "ledger"]), "sizes": size, "more": size})
    server.refused["full"] = TransportError(ErrorClass.QUOTA, "it takes no further connection")
    seen = look(server, SIZES, POSTGRESQL)
    assert (server.opened, server.entered, server.closed) == (["", "ledger"], ["full", "ledger"], 1)
    assert seen.missing("sizes").keys() == {"full"}
    server = FakeServer({**postgresql_answers(["hangs", "ledger"]), "sizes": size, "more": size})
    server.refused["hangs"] = TransportError(ErrorClass.TIMEOUT, "the driver had to be ended")
    seen = look(server, SIZES, POSTGRESQL)
    assert (server.opened, server.entered) == (["", "ledger"], ["hangs"])
    assert seen.missing("sizes").keys() == {"hangs"}


def test_a_server_that_bounds_its_statements_itself_is_told_how_long():
    asked = {"a": section(timeout_s=15), "b": section(timeout_s=40), "c": section(timeout_s=40)}
    server = FakeServer({**postgresql_answers(), "a": JOBS, "b": JOBS, "c": JOBS})
    look(server, asked, POSTGRESQL)
    limits = [text for text in server.texts if text.startswith("SET statement_timeout")]
    assert limits == ["SET statement_timeout = 40000"]  # that of the others is in the opening


def test_the_time_for_an_instance_ends():
    """The clock is asked at the start and before each group; then it is late."""
    server = FakeServer({**postgresql_answers(), "a": JOBS, "b": JOBS, "c": JOBS})
    late = sql_target.INSTANCE_S + 1
    seen = look(server, three(), POSTGRESQL, clock=[0.0, 1.0, 1.0, 2.0, *[late] * 20])
    assert (seen["a"].quality, seen["b"].quality, seen["c"].quality) == (
        Quality.OK,
        Quality.TIMEOUT,
        Quality.TIMEOUT,
    )


def test_many_databases_are_named_as_left_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sql_target, "MOST_DATABASES", 3)
    listed = [(f"db{n}", "ONLINE", 1) for n in range(10)]
    seen = look(FakeServer({**sqlserver_answers(listed), "sizes": size, "more": size}), SIZES)
    assert len(seen.rows("sizes")) == 3  # pyright: ignore[reportArgumentType]
    assert seen.missing("sizes") == {"…": {"reason": "7 more databases were left out", "error": "quota"}}


def test_the_sections_of_a_health_set_take_few_round_trips():
    names = [f"s{n}" for n in range(89)]
    server = FakeServer({**sqlserver_answers(), **dict.fromkeys(names, JOBS)})
    look(server, {name: sql(row=Job) for name in names})
    assert len(server.texts) <= 12
