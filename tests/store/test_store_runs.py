from __future__ import annotations

import dataclasses
import os
from datetime import timedelta

import psutil
import pytest
from store_samples import SITE, T0, a_run, finish, later, start

from checkup.api import Visit
from checkup.store import Owner, RunState, StoreError, open_store
from checkup.store.owner import is_gone, this_process
from checkup.store.store import Store

BEGIN_AND_DIE = """
from store_samples import a_run
from checkup.store import open_store
open_store(sys.argv[1]).begin_run(a_run(int(sys.argv[2]), sys.argv[3]))
"""


def test_a_run_comes_back_as_it_went_in_with_this_process_as_its_owner(store: Store, visit_id: int) -> None:
    run = a_run(visit_id)
    store.begin_run(run)
    kept = store.run("r1")
    assert dataclasses.replace(kept, owner=None) == run
    assert kept.owner is not None
    assert kept.owner.pid == os.getpid()


def test_runs_are_listed_newest_first_by_site(store: Store, visit_id: int) -> None:
    other = store.open_visit("elm", Visit.INTERIM, T0)
    store.begin_run(a_run(visit_id, "old"))
    store.begin_run(a_run(visit_id, "new", started_at=later(5)))
    store.begin_run(a_run(other, "elsewhere", site="elm"))
    assert [run.id for run in store.runs(SITE)] == ["new", "old"]
    assert {run.id for run in store.runs()} == {"new", "old", "elsewhere"}


def test_a_finished_run_keeps_its_state_and_time(store: Store, run_id: str) -> None:
    store.finish_run(run_id, RunState.COMPLETE, later(3))
    assert (store.run(run_id).state, store.run(run_id).finished_at) == (RunState.COMPLETE, later(3))
    with pytest.raises(StoreError, match="is complete and cannot become failed"):
        store.finish_run(run_id, RunState.FAILED, later(4))


def test_what_is_not_there_is_named(store: Store, visit_id: int) -> None:
    for ask in (lambda: store.run("r9"), lambda: store.finish_run("r9", RunState.FAILED, T0)):
        with pytest.raises(StoreError, match="has no run r9"):
            ask()
    with pytest.raises(StoreError, match="has no visit 99"):
        store.begin_run(a_run(99))


def test_a_run_id_is_used_once(store: Store, visit_id: int, run_id: str) -> None:
    with pytest.raises(StoreError, match="already there"):
        store.begin_run(a_run(visit_id, run_id))


def test_a_run_of_a_dead_process_is_marked_interrupted_and_can_be_resumed(
    store: Store, url: str, visit_id: int
) -> None:
    store.begin_run(a_run(visit_id, "mine"))
    finish(start(BEGIN_AND_DIE, url, str(visit_id), "dead"))
    assert store.mark_interrupted("elm") == []
    assert store.mark_interrupted(SITE) == ["dead"]
    assert store.mark_interrupted(SITE) == []
    assert store.run("mine").state is RunState.RUNNING
    assert store.run("dead").state is RunState.INTERRUPTED
    resumed = store.resume_run("dead")
    assert resumed.state is RunState.RUNNING
    assert resumed.owner is not None
    assert resumed.owner.pid == os.getpid()


def test_a_run_that_lives_or_is_over_cannot_be_resumed(store: Store, run_id: str) -> None:
    with pytest.raises(StoreError, match=rf"still running on .* \(process {os.getpid()}"):
        store.resume_run(run_id)
    store.finish_run(run_id, RunState.FAILED, T0)
    with pytest.raises(StoreError, match="is failed and cannot be resumed"):
        store.resume_run(run_id)


def test_an_interrupted_run_may_still_end(store: Store, run_id: str) -> None:
    store.finish_run(run_id, RunState.INTERRUPTED, later(1))
    assert store.resume_run(run_id).finished_at is None
    store.finish_run(run_id, RunState.COMPLETE, later(2))
    assert store.run(run_id).state is RunState.COMPLETE


def test_a_later_process_with_the_same_number_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    me = this_process()
    assert not is_gone(me)
    assert is_gone(dataclasses.replace(me, started_at=me.started_at - timedelta(hours=1)))
    assert is_gone(Owner(host=me.host, pid=2**22 + 7, started_at=me.started_at))
    assert not is_gone(Owner(host="another-host", pid=2**22 + 7, started_at=me.started_at))

    def refuse(pid: int) -> None:
        raise psutil.AccessDenied(pid)

    monkeypatch.setattr(psutil, "Process", refuse)
    assert not is_gone(me)


def test_a_time_without_a_zone_is_refused(store: Store, visit_id: int) -> None:
    with pytest.raises(StoreError, match="without a time zone"):
        store.begin_run(a_run(visit_id, started_at=T0.replace(tzinfo=None)))
    assert store.runs() == []


def test_the_store_opens_again(url: str) -> None:
    with open_store(url) as store:
        store.begin_run(a_run(store.open_visit(SITE, Visit.THIRTY_DAY, T0)))
    with open_store(url) as store:
        assert [run.id for run in store.runs()] == ["r1"]
