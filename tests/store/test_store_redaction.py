from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine, select
from store_samples import SITE, T0, a_run, a_section, an_assessment, an_endpoint, an_entry, later

from checkup.api import Text, Visit
from checkup.assessment import ItemResult, Outcome
from checkup.store import StoreError, open_store, tables
from checkup.store.redaction import redacted

SECRET = "hunter2-geheim"


def redact(text: str) -> str:
    return text.replace(SECRET, "‹secret›")


def everything_in(url: str) -> str:
    engine = create_engine(url)
    with engine.connect() as connection:
        kept = [row for table in tables.metadata.sorted_tables for row in connection.execute(select(table))]
    engine.dispose()
    return repr(kept)


def test_no_secret_reaches_the_file_by_any_way(file_url: str, tmp_path: Path) -> None:
    leak = f"--password={SECRET} --quiet"
    document: Any = {leak: [{"deep": (leak,)}], "plain": leak}
    with open_store(file_url, redact=redact) as store:
        visit = store.open_visit(SITE, Visit.THIRTY_DAY, T0)
        store.begin_run(a_run(visit, site_json=document, plan_json=document))
        script = leak.encode()
        entry = store.ledger_begin(an_entry(script=script))
        store.ledger_end(entry, returned_bytes=1, ended_at=T0, outcome=leak)
        section = a_section("t", raw=document, reason=leak)
        store.save_endpoint(
            "r1",
            an_endpoint(
                sections=(section,), noise=leak, reason=leak, hello={leak: leak}, connection=document
            ),
        )
        store.pin_identity(SITE, "srv-db", leak, T0)
        result = ItemResult(
            probe="p",
            target="t",
            item=leak,
            outcome=Outcome.NOT_CHECKED,
            reason=leak,
            evidence={"e": Text(leak)},
        )
        assessment = an_assessment(results=(result,), unused_waivers=(leak,))
        number = store.save_assessment(visit, assessment)
        store.record_delivery(number, T0, leak, "ab", leak)

        assert (
            store.script(an_entry(script=script).sha256)
            == b"--password=\xe2\x80\xb9secret\xe2\x80\xba --quiet"
        )
        assert store.assessment(number).results[0].item == "--password=‹secret› --quiet"
    kept = everything_in(file_url)
    assert kept.count("‹secret›") >= 20
    assert SECRET not in kept
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


def test_no_secret_is_in_an_error(file_url: str) -> None:
    with open_store(file_url, redact=redact) as store:
        visit = store.open_visit(SITE, Visit.THIRTY_DAY, T0)
        store.begin_run(a_run(visit))
        with pytest.raises(StoreError) as caught:
            store.begin_run(a_run(visit, site_json=SECRET))
        shown = f"{caught.value} {caught.value!r} {caught.value.__cause__} {caught.value.__cause__!r}"
        assert SECRET not in shown


def test_identifiers_and_words_stay_even_where_a_password_is_a_common_word(file_url: str) -> None:
    def greedy(text: str) -> str:
        return re.sub("host|finding|bytes|ratio|srv|2026|P2|used", "#", text)

    with open_store(file_url, redact=greedy) as store:
        visit = store.open_visit(SITE, Visit.THIRTY_DAY, T0)
        kept = store.assessment(store.save_assessment(visit, an_assessment()))
    assert kept.results[0].key == ("host.volume-space", "srv-db", "/")
    assert (kept.results[0].evidence, kept.clock) == (an_assessment().results[0].evidence, T0)
    assert kept.probes["host.volume-space"].id == "host.volume-space"


def test_keys_that_become_the_same_are_all_kept() -> None:
    assert redacted({"a1": 1, "a2": 2, "b": 3}, lambda text: text[0]) == {"a": 1, "a'": 2, "b": 3}


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner)))
def test_nothing_changes_where_nothing_is_secret(document: Any) -> None:
    assert redacted(document, str) == document


def test_texts_are_not_kept_in_the_clear_beside_the_database(file_url: str, tmp_path: Path) -> None:
    """A sanity check of the test above: what is not a secret can be found again."""
    with open_store(file_url) as store:
        visit = store.open_visit(SITE, Visit.THIRTY_DAY, T0)
        store.begin_run(a_run(visit, station_json=SECRET, finished_at=later(1)))
    assert SECRET in everything_in(file_url)
    with closing(sqlite3.connect(tmp_path / "checkup.db")) as connection:
        ((packed,),) = connection.execute("SELECT station_json FROM run")
    assert packed[:1] == b"\x01"
