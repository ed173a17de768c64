from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text
from store_samples import finish, start

from checkup.store import StoreError, open_store, tables
from checkup.store.migrate import HEAD, MIGRATIONS, VERSION_TABLE

OPEN = "from checkup.store import open_store\nopen_store(sys.argv[1]).close()\n"


@pytest.fixture
def engine(url: str) -> Engine:
    open_store(url).close()
    return create_engine(url)


def test_the_migrations_make_exactly_the_tables_of_this_program(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, tables.metadata) == []
        assert context.get_current_heads() == (HEAD,)
    engine.dispose()


def test_constraints_have_the_names_the_program_knows(engine: Engine) -> None:
    found = inspect(engine)
    for table in tables.metadata.sorted_tables:
        assert found.get_pk_constraint(table.name)["name"] == f"{table.name}_pk"
        keys = {str(key["name"]) for key in found.get_foreign_keys(table.name)}
        assert keys == {str(key.name) for key in table.foreign_key_constraints}
    engine.dispose()


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD]


def test_eight_processes_may_make_the_store_at_once(url: str) -> None:
    for process in [start(OPEN, url) for _ in range(8)]:
        finish(process)
    with open_store(url) as store:
        assert store.runs() == []


def test_a_store_at_head_opens_without_alembic_and_the_package_without_sqlalchemy(url: str) -> None:
    open_store(url).close()
    before = "import checkup.store\nassert 'sqlalchemy' not in sys.modules and 'psutil' not in sys.modules\n"
    finish(start(before + OPEN + "assert 'alembic' not in sys.modules", url))


def test_a_newer_store_is_refused_and_left_alone(url: str, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"written by a newer checkup \(form 9999.*update checkup"):
        open_store(url)
    engine.dispose()


def test_another_program_s_database_is_refused_and_left_alone(file_url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "checkup.db")) as connection:
        connection.execute("CREATE TABLE bookmarks (url)")
    with pytest.raises(StoreError, match="another program's database"):
        open_store(file_url)
    with closing(sqlite3.connect(tmp_path / "checkup.db")) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("bookmarks",)]


def test_a_migration_that_fails_half_way_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from alembic.operations import Operations

    genuine = Operations.create_table

    def fail_late(self: Operations, name: str, *columns: object, **more: object) -> object:
        if name == "delivery":
            raise sqlite3.OperationalError("power cut")
        return genuine(self, name, *columns, **more)  # pyright: ignore[reportArgumentType] (handed through)

    monkeypatch.setattr(Operations, "create_table", fail_late)
    with pytest.raises(StoreError, match="power cut"):
        open_store(url)
    monkeypatch.undo()
    engine = create_engine(url)
    assert inspect(engine).get_table_names() == []
    engine.dispose()
    open_store(url).close()
