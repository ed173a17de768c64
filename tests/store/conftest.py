"""A new store for each test: in a file, or in PostgreSQL where CHECKUP_TEST_POSTGRESQL names a database."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_samples import SITE, T0, a_run, later

from checkup.api import Visit
from checkup.store import open_store
from checkup.store.store import Store


@pytest.fixture
def file_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/checkup.db"


@pytest.fixture
def url(file_url: str) -> Iterator[str]:
    server = os.environ.get("CHECKUP_TEST_POSTGRESQL")
    if not server:
        yield file_url
        return
    from sqlalchemy import create_engine, make_url, text

    schema = f"store_{uuid.uuid4().hex}"
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
        there = make_url(server).update_query_dict({"options": f"-csearch_path={schema}"})
        yield there.render_as_string(hide_password=False)
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with open_store(url, now=lambda: later(60)) as store:
        yield store


@pytest.fixture
def visit_id(store: Store) -> int:
    return store.open_visit(SITE, Visit.THIRTY_DAY, T0)


@pytest.fixture
def run_id(store: Store, visit_id: int) -> str:
    store.begin_run(a_run(visit_id))
    return "r1"
