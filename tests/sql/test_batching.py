"""What travels together comes apart again, whatever the statements and the names hold."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sql_examples import Rows, done, failed

sys.path.insert(0, str(Path(__file__).parents[2]))  # for tests.servers

from checkup.api import JSON
from checkup.sql.batching import (
    CANARY,
    Ask,
    Doubt,
    Failure,
    NoRows,
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


FATES = ("rows", "no rows", "no set", "failed", "failed half-way")


@given(
    st.lists(st.sampled_from(FATES), min_size=4, max_size=4),
    st.booleans(),
    st.integers(0, 12),
)
def test_each_answer_finds_its_statement(fates: list[str], drops: bool, arrived: int):
    """However many fail or find nothing, whether or not the driver hands out sets without rows, and wherever
    the connection broke off. All have the same columns."""
    asks = [Ask(name=name, text="SELECT 1") for name in NAMES]
    sets: list[Rows] = []
    complete: dict[str, int] = {}  # after which set each answer is known
    for name, fate in zip(NAMES, fates, strict=True):
        if fate in ("rows", "failed half-way"):
            sets.append(Rows(("who",), [[name]]))
        elif fate == "no rows" and not drops:
            sets.append(Rows(("who",)))
        sets.append(failed(name, 229, "no") if fate.startswith("failed") else done(name, int(fate == "rows")))
        complete[name] = len(sets)
    answers = sort_answers(SQLSERVER, asks, sets[:arrived])
    assert set(answers) == {name for name in NAMES if complete[name] <= arrived}
    for name, fate in zip(NAMES, fates, strict=True):
        if name not in answers:
            continue
        answer = answers[name]
        if isinstance(answer, Failure):
            assert fate.startswith("failed")
        else:
            assert not isinstance(answer, Doubt)
            assert answer.rows == ([[name]] if fate == "rows" else [])


TWO = Rows(("who",), [["x"], ["y"]])
CUT = Rows(("who",), [["x"], ["y"]], truncated=True)


@pytest.mark.parametrize(
    ("came", "count", "believed"),
    [
        ([TWO], 2, True),
        ([TWO], 3, False),
        ([TWO], 1, False),
        ([TWO], 0, False),
        ([TWO], "2", False),
        ([CUT], 2, True),
        ([CUT], 900, True),
        ([CUT], 1, False),
        ([], 0, True),
        ([], 2, False),  # the driver lost them
        ([TWO], None, True),  # a procedure, which does not count
        ([], None, True),
    ],
)
def test_rows_are_believed_that_the_server_counted(came: list[Rows], count: JSON, believed: bool):
    asks = [Ask(name="a", text="SELECT 1")]
    told = Rows(("checkup_done", "row_count"), [["a", count]])
    answer = sort_answers(SQLSERVER, asks, [*came, told])["a"]
    assert isinstance(answer, Doubt) != believed
    if isinstance(answer, Doubt):
        assert "x" not in answer.reason


def test_what_comes_twice_or_more_than_it_should_or_was_not_asked_for_is_no_answer():
    asks = [Ask(name=name, text="SELECT 1") for name in "abd"]
    sets = [
        TWO,
        TWO,
        done("d", 2),
        TWO,
        done("a", 2),
        TWO,
        done("c", 2),
        done("b", 0),
        TWO,
        done("a", 2),
        TWO,
    ]
    answers = sort_answers(SQLSERVER, asks, sets)
    assert isinstance(answers.pop("a"), Doubt)
    assert answers == {"b": NoRows()}


def test_only_a_select_is_asked_how_many_rows_it_gave():
    for text, counted in (("\nSELECT 1", True), ("with x AS (SELECT 1) SELECT 1", True), ("EXEC y", False)):
        sent = batch(SQLSERVER, [Ask(name="a", text=text)])
        assert ("@@ROWCOUNT AS row_count" in sent, "NULL AS row_count" in sent) == (counted, not counted)


def test_an_engine_of_single_statements_answers_with_one_set():
    asks = [Ask(name="a", text="SELECT 1")]
    for engine in (POSTGRESQL, MARIADB):
        assert sort_answers(engine, asks, [TWO]) == {"a": TWO}
        assert sort_answers(engine, asks, []) == sort_answers(engine, asks, [TWO, TWO]) == {}


def test_a_failure_keeps_what_the_server_said():
    sets = [failed("a", 300, "VIEW SERVER STATE was denied")]
    answers = sort_answers(SQLSERVER, [Ask(name="a", text="x")], sets)
    assert answers == {"a": Failure(number=300, text="VIEW SERVER STATE was denied")}


def test_another_databases_rows_do_not_pass_for_this_ones():
    asks = [Ask(name="database", text=""), Ask(name="a", text="")]
    places: list[tuple[list[list[JSON]], bool]] = [([["ledger"]], True), ([["master"]], False), ([], False)]
    for place, right in places:
        told = [Rows(("database_name",), place), done("database", len(place)), Rows(("x",)), done("a", 0)]
        answers = sort_answers(SQLSERVER, asks, told)
        assert entered(answers, "ledger") is right
        assert set(answers) == {"a"}
    assert not entered({}, "ledger")
    assert not entered({"database": Doubt("")}, "ledger")


def test_the_parts_of_a_section_travel_together_and_the_others_in_few_round_trips():
    asks = [Ask(name=f"s{n}{part}", text="x") for n in range(60) for part in ("", CANARY)]
    made = list(groups(SQLSERVER, asks))
    assert len(made) == 10
    assert [ask for group in made for ask in group] == asks
    assert all(group[-1].name.endswith(CANARY) for group in made)
    for engine in (POSTGRESQL, MARIADB):
        assert list(groups(engine, asks)) == [(asks[at], asks[at + 1]) for at in range(0, len(asks), 2)]


def test_a_group_waits_for_its_slowest_and_a_little_for_the_others():
    asks = [Ask(name=name, text="x", timeout_s=seconds) for name, seconds in (("a", 15), ("b", 40), ("c", 5))]
    assert patience_s(asks) == 42


def test_one_statement_of_an_engine_that_takes_no_more_is_sent_as_it_is():
    assert batch(POSTGRESQL, [Ask(name="a", text="\nSELECT 1\n")]) == "/* checkup:a */\nSELECT 1"
