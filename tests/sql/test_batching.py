"""What travels together comes apart again, whatever the statements and the names hold."""

from __future__ import annotations

import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from sql_examples import Rows, failed

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.servers

from checkup.api import JSON
from checkup.sql.batching import (
    CANARY,
    Ask,
    Failure,
    batch,
    entered,
    groups,
    patience_s,
    sort_answers,
)
from checkup.sql.engines import ENGINES
from checkup.sql.mariadb import MARIADB
from checkup.sql.postgresql import POSTGRESQL
from checkup.sql.sqlserver import SQLSERVER
from tests.servers.tds.batches import pieces

NAMES = ("sqlserver-jobs", "sqlserver-files", "sqlserver-files:canary", "sqlserver-waits")
TEXTS = st.text(st.sampled_from("SELECT 'a]b[\";-/\n\U0001f600é"), min_size=1).map(
    lambda text: f"SELECT {text.strip()}x"
)
DATABASES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@given(st.lists(TEXTS, min_size=1, max_size=4), st.none() | DATABASES)
def test_a_server_sees_each_statement_as_it_was_written(texts: list[str], database: str | None):
    asks = [Ask(name=name, text=text) for name, text in zip(NAMES, texts, strict=False)]
    seen = [piece for piece in pieces(batch(SQLSERVER, asks, database or "")) if piece.check_id]
    own = [piece for piece in seen if piece.check_id != "database"]
    assert [(piece.check_id, piece.text) for piece in own] == [(ask.name, ask.text.strip()) for ask in asks]
    assert all(piece.inner and piece.catch for piece in seen)  # a scope of its own, in TRY and CATCH
    assert (len(seen) > len(own)) == bool(database)


@given(DATABASES)
def test_a_name_stays_within_its_quotes(name: str):
    for engine in ENGINES.values():
        quoted = engine.quoted(name)
        opening, closing = quoted[0], quoted[-1]
        inside = quoted[1:-1]
        assert (opening, closing) in {("[", "]"), ('"', '"'), ("`", "`")}
        assert closing not in inside.replace(closing * 2, "")
        assert inside.replace(closing * 2, closing) == name


@given(
    st.lists(st.sampled_from(["rows", "failed", "failed half-way"]), min_size=4, max_size=4),
    st.integers(0, 9),
)
def test_each_answer_finds_its_statement(fates: list[str], arrived: int):
    """However many fail, and wherever the connection broke off."""
    asks = [Ask(name=name, text="SELECT 1") for name in NAMES]
    sets: list[Rows] = []
    complete: dict[str, int] = {}  # after which set each answer is known
    for name, fate in zip(NAMES, fates, strict=True):
        if fate != "failed":
            sets.append(Rows(("who",), [[name]]))
        if fate != "rows":
            sets.append(failed(name, 229, "no"))
        complete[name] = len(sets)
    answers = sort_answers(asks, sets[:arrived])
    for name, fate in zip(NAMES, fates, strict=True):
        if complete[name] <= arrived:
            answer = answers[name]
            assert isinstance(answer, Failure) == (fate != "rows")
            assert isinstance(answer, Failure) or answer.rows == [[name]]
    assert set(answers) <= set(NAMES)


def test_a_failure_keeps_what_the_server_said():
    answers = sort_answers([Ask(name="a", text="x")], [failed("a", 300, "VIEW SERVER STATE was denied")])
    assert answers == {"a": Failure(number=300, text="VIEW SERVER STATE was denied")}


def test_another_databases_rows_do_not_pass_for_this_ones():
    asks = [Ask(name="database", text=""), Ask(name="a", text="")]
    places: list[tuple[list[list[JSON]], bool]] = [([["ledger"]], True), ([["master"]], False), ([], False)]
    for place, right in places:
        answers = sort_answers(asks, [Rows(("database_name",), place), Rows(("x",))])
        assert entered(answers, "ledger") is right
        assert set(answers) == {"a"}
    assert not entered({}, "ledger")


def test_the_parts_of_a_section_travel_together_and_the_others_in_few_round_trips():
    asks = [Ask(name=f"s{n}{part}", text="x") for n in range(60) for part in ("", CANARY)]
    made = list(groups(SQLSERVER, asks))
    assert len(made) == 10
    assert [ask for group in made for ask in group] == asks
    assert all(group[-1].name.endswith(CANARY) for group in made)
    for engine in (POSTGRESQL, MARIADB):
        assert [len(group) for group in groups(engine, asks)] == [1] * len(asks)


def test_a_group_waits_for_its_slowest_and_a_little_for_the_others():
    asks = [Ask(name=name, text="x", timeout_s=seconds) for name, seconds in (("a", 15), ("b", 40), ("c", 5))]
    assert patience_s(asks) == 42


def test_one_statement_of_an_engine_that_takes_no_more_is_sent_as_it_is():
    assert batch(POSTGRESQL, [Ask(name="a", text="\nSELECT 1\n")]) == "/* checkup:a */\nSELECT 1"
