"""Through a driver, each statement of a batch still gets its own answer, and nobody else's."""

from __future__ import annotations

from itertools import permutations

import pytest

from checkup.sql.batching import Answer, Ask, Doubt, Failure, batch, sort_answers
from checkup.sql.sqlserver import SQLSERVER
from tests.servers.tds import Answer as Said
from tests.servers.tds import Column, Error, Rows, TdsServer
from tests.servers.tds.data_types import INT, SYSNAME
from tests.transports.odbc.conftest import SQL_SERVER_DRIVERS, Open, place_of, scripted

NUMBER = (Column("number", INT),)  # all have the same columns
ANSWERS: dict[str, Said] = {
    "one": Rows(NUMBER, [(1,)]),
    "three": Rows(NUMBER, [(31,), (32,), (33,)]),
    "many": Rows(NUMBER, [(number,) for number in range(5000)]),
    "empty": Rows(NUMBER),
    "silent": (),  # no result set at all, as of DBCC TRACESTATUS where no flag is set
    "denied": Error(229, "The SELECT permission was denied.", 14),
    "victim": [Rows(NUMBER, [(8,)], complete=False), Error(1205, "deadlock", 13)],
}
EXPECTED = {"one": 1, "three": 3, "many": 4, "empty": 0, "silent": 0, "denied": 229, "victim": 1205}


def ask(name: str) -> Ask:
    return Ask(name=name, text="DBCC TRACESTATUS (-1)" if name == "silent" else "SELECT number")


def short(answer: Answer) -> int | str:
    """The number of an error, or of the rows."""
    if isinstance(answer, Doubt):
        return answer.reason
    return answer.number if isinstance(answer, Failure) else len(answer.rows)


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
@pytest.mark.parametrize("counting", ["", "SET NOCOUNT ON;\n"], ids=["counting", "nocount"])
def test_a_statement_keeps_its_answer_wherever_it_stands(
    open_session: Open, driver: str, counting: str
) -> None:
    orders = [*permutations(("one", "empty", "silent", "three")), ("empty",), ("silent",), ("one",)]
    orders += [("empty", "many", "silent", "one"), ("silent", "victim", "empty", "denied", "three", "silent")]
    with TdsServer(scripted(answers=ANSWERS)) as server:
        session = open_session(place_of(server, driver=driver))
        for order in orders:
            asks = [ask(name) for name in dict.fromkeys(order)]
            given = session.run(counting + batch(SQLSERVER, asks), timeout_s=10, most_rows=4)
            found = {name: short(answer) for name, answer in sort_answers(SQLSERVER, asks, given).items()}
            assert found == {name: EXPECTED[name] for name in order}, order


@pytest.mark.parametrize("driver", SQL_SERVER_DRIVERS)
def test_a_set_without_rows_that_a_driver_leaves_out_is_missed_by_nobody(
    open_session: Open, driver: str
) -> None:
    """After SET NOCOUNT ON FreeTDS leaves out sets without rows that no procedure gave."""
    end = (Column("checkup_done", SYSNAME), Column("row_count", INT))
    answers: dict[str, Said] = {
        name: [rows, Rows(end, [(name, len(rows.rows))])]  # pyright: ignore[reportArgumentType]
        for name, rows in (("empty", Rows(NUMBER)), ("one", Rows(NUMBER, [(1,)])))
    }
    asks = [ask("empty"), ask("one")]
    text = "SET NOCOUNT ON;\n/* checkup:empty */ SELECT number;\n/* checkup:one */ SELECT number;\n"
    with TdsServer(scripted(answers=answers)) as server:
        session = open_session(place_of(server, driver=driver))
        given = session.run(text, timeout_s=10, most_rows=4)
    assert len(given) == (3 if driver == "FreeTDS" else 4)
    found = {name: short(answer) for name, answer in sort_answers(SQLSERVER, asks, given).items()}
    assert found == {"empty": 0, "one": 1}
