from __future__ import annotations

import dataclasses

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, text
from store_samples import an_entry, later

from checkup.store import StoreError, open_store
from checkup.store.store import Store


def test_an_entry_is_there_for_others_before_it_ends(store: Store, url: str, run_id: str) -> None:
    number = store.ledger_begin(an_entry())
    with open_store(url) as other:
        assert other.ledger([run_id]) == [dataclasses.replace(an_entry(), id=number, script=None)]


def test_an_ending_is_filled_in_once(store: Store, run_id: str) -> None:
    number = store.ledger_begin(an_entry())
    store.ledger_end(number, returned_bytes=2**40, ended_at=later(1), outcome="complete")
    (entry,) = store.ledger([run_id])
    assert (entry.returned_bytes, entry.ended_at, entry.outcome) == (2**40, later(1), "complete")
    with pytest.raises(StoreError, match="unknown or has ended before"):
        store.ledger_end(number, returned_bytes=0, ended_at=later(2), outcome="again")
    assert store.ledger([run_id]) == [entry]


def test_a_script_is_kept_once(store: Store, url: str, run_id: str) -> None:
    for endpoint in ("a", "b"):
        store.ledger_begin(an_entry(endpoint=endpoint))
    engine = create_engine(url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM script")) == 1
    engine.dispose()
    assert [entry.endpoint for entry in store.ledger([run_id])] == ["a", "b"]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=st.binary(max_size=200))
def test_a_script_comes_back_byte_for_byte(store: Store, run_id: str, script: bytes) -> None:
    entry = an_entry(script=script)
    store.ledger_begin(entry)
    assert store.script(entry.sha256) == script


def test_the_hash_must_be_the_script_s(store: Store, run_id: str) -> None:
    with pytest.raises(StoreError, match="the hash is not the script's"):
        store.ledger_begin(an_entry(sha256="0" * 64))
    with pytest.raises(StoreError, match="has no script 0000"):
        store.script("0" * 64)


def test_an_entry_needs_its_run(store: Store) -> None:
    with pytest.raises(StoreError, match="has no run r1"):
        store.ledger_begin(an_entry())
