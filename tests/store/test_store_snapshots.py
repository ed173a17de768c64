from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event
from store_samples import T0, a_run, a_section, an_endpoint

from checkup.api import ErrorClass
from checkup.store import StoreError
from checkup.store.store import Store

TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["\0", "\ud800", "\U0001f9ed", "a\0b\udfff"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=10,
)
NUMBERS = itertools.count()


def test_an_endpoint_comes_back_as_it_went_in(store: Store, run_id: str) -> None:
    reached, lost = (
        an_endpoint(),
        an_endpoint(
            "ws-1",
            sections=(),
            complete=False,
            error=ErrorClass.AUTH,
            reason="refused",
            hello={},
            connection={},
        ),
    )
    store.save_endpoint(run_id, reached)
    store.save_endpoint(run_id, lost)
    assert store.snapshots([run_id]) == [reached, lost]
    assert store.finished_endpoints(run_id) == {"srv-db", "ws-1"}
    assert store.snapshots([]) == store.snapshots(["r9"]) == []


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=JSON, noise=TEXT, hello=st.dictionaries(TEXT, TEXT, max_size=3), reason=TEXT)
def test_whatever_a_machine_sends_can_be_kept(
    store: Store, run_id: str, raw: Any, noise: str, hello: dict[str, str], reason: str
) -> None:
    sent = an_endpoint(
        f"e{next(NUMBERS)}", sections=(a_section("t", raw=raw),), noise=noise, hello=hello, reason=reason
    )
    store.save_endpoint(run_id, sent)
    assert store.snapshots([run_id])[-1] == sent


def test_what_no_column_takes_is_replaced(store: Store, run_id: str) -> None:
    store.save_endpoint(run_id, an_endpoint(sections=(a_section("t", reason="a\0b\ud800c"),)))
    assert store.snapshots([run_id])[0].sections[0].reason == "a\ufffdb?c"


def test_an_endpoint_is_saved_once_in_a_run(store: Store, visit_id: int, run_id: str) -> None:
    store.save_endpoint(run_id, an_endpoint())
    with pytest.raises(StoreError, match="endpoint srv-db is saved already in run r1"):
        store.save_endpoint(run_id, an_endpoint(noise="second"))
    assert store.snapshots([run_id]) == [an_endpoint()]
    store.begin_run(a_run(visit_id, "r2"))
    store.save_endpoint("r2", an_endpoint())
    assert len(store.snapshots(["r1", "r2"])) == 2


def test_an_endpoint_is_saved_whole_or_not_at_all(store: Store, run_id: str) -> None:
    bad = a_section("t", collected_at=T0.replace(tzinfo=None))
    with pytest.raises(StoreError, match="without a time zone"):
        store.save_endpoint(run_id, an_endpoint(sections=(a_section("t"), bad)))
    assert store.finished_endpoints(run_id) == set()
    store.save_endpoint(run_id, an_endpoint())


@pytest.mark.parametrize("change", [{"milliseconds": 10**30}, {"section": "\ud800"}])
def test_a_value_that_fits_no_column_is_refused_with_its_place(
    store: Store, run_id: str, change: dict[str, Any]
) -> None:
    with pytest.raises(StoreError, match="cannot save endpoint srv-db"):
        store.save_endpoint(run_id, an_endpoint(sections=(a_section("t", **change),)))
    assert store.finished_endpoints(run_id) == set()


def test_data_nested_too_deeply_is_refused(store: Store, run_id: str) -> None:
    raw: Any = None
    for _ in range(100_000):
        raw = [raw]
    with pytest.raises(StoreError, match="nested too deeply"):
        store.save_endpoint(run_id, an_endpoint(sections=(a_section("t", raw=raw),)))


def test_an_unknown_run_is_refused(store: Store) -> None:
    with pytest.raises(StoreError, match="has no run r1"):
        store.save_endpoint("r1", an_endpoint())


def test_two_queries_read_any_number_of_endpoints(store: Store, run_id: str) -> None:
    for number in range(7):
        store.save_endpoint(run_id, an_endpoint(f"e{number}"))
    seen: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        assert len(store.snapshots([run_id])) == 7
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len([statement for statement in seen if statement.startswith("SELECT")]) == 2
