from __future__ import annotations

from datetime import timedelta

import pytest
from store_samples import SITE, T0, an_assessment, later

from checkup.api import Visit
from checkup.store import DeliveryRecord, StoreError, VisitRecord
from checkup.store.store import Store


def test_an_open_visit_is_found_again_until_it_is_closed(store: Store) -> None:
    first = store.open_visit(SITE, Visit.SIX_MONTH, T0)
    assert store.open_visit(SITE, Visit.SIX_MONTH, later(1)) == first
    assert store.open_visit(SITE, Visit.TUNE_UP, later(1)) != first
    assert store.open_visit("elm", Visit.SIX_MONTH, later(1)) != first
    store.close_visit(first, later(2))
    second = store.open_visit(SITE, Visit.SIX_MONTH, later(3))
    assert second != first
    assert store.visit(first) == VisitRecord(
        id=first, site=SITE, visit=Visit.SIX_MONTH, opened_at=T0, closed_at=later(2)
    )
    assert [visit.id for visit in store.visits(SITE) if visit.visit is Visit.SIX_MONTH] == [first, second]


def test_an_interim_visit_is_always_new(store: Store) -> None:
    numbers = {store.open_visit(SITE, Visit.INTERIM, T0) for _ in range(3)}
    assert len(numbers) == 3


def test_a_visit_stays_closed_at_its_first_time(store: Store, visit_id: int) -> None:
    store.close_visit(visit_id, later(1))
    store.close_visit(visit_id, later(2))
    assert store.visit(visit_id).closed_at == later(1)
    with pytest.raises(StoreError, match="has no visit 99"):
        store.close_visit(99, T0)


def test_assessments_are_added_and_never_replaced(store: Store, visit_id: int) -> None:
    first, second = an_assessment(), an_assessment(clock=later(1), tool_version="1.1")
    numbers = [store.save_assessment(visit_id, first), store.save_assessment(visit_id, second)]
    assert [store.assessment(number) for number in numbers] == [first, second]
    newest, oldest = store.assessments(SITE)
    assert [oldest.id, newest.id] == numbers
    assert (newest.visit_id, newest.visit, newest.clock) == (visit_id, Visit.THIRTY_DAY, later(1))
    assert (newest.tool_version, newest.created_at) == ("1.1", later(60))
    assert store.assessments("elm") == []
    with pytest.raises(StoreError, match="has no assessment 99"):
        store.assessment(99)


def test_an_assessment_belongs_to_its_own_visit(store: Store, visit_id: int) -> None:
    for wrong in (an_assessment(site="elm"), an_assessment(visit=Visit.TUNE_UP)):
        with pytest.raises(StoreError, match="which is of cedar-ridge"):
            store.save_assessment(visit_id, wrong)


def test_a_delivery_is_remembered(store: Store, visit_id: int) -> None:
    number, other = (store.save_assessment(visit_id, an_assessment()) for _ in range(2))
    store.record_delivery(number, later(1), "out", "ab" * 32, "file")
    store.record_delivery(number, later(2), "out", "cd" * 32, "file")
    assert {record.id: record.delivered for record in store.assessments(SITE)} == {
        number: later(2),
        other: None,
    }
    assert store.deliveries(number)[0] == DeliveryRecord(
        assessment_id=number, at=later(1), folder="out", sha256="ab" * 32, how="file"
    )
    with pytest.raises(StoreError, match="has no assessment 99"):
        store.record_delivery(99, T0, "", "", "")


def test_an_identity_is_pinned_once_and_anew_only_explicitly(store: Store) -> None:
    assert store.identity(SITE, "srv-db") is None
    store.pin_identity(SITE, "srv-db", "machine-id:one", T0)
    store.pin_identity(SITE, "srv-db", "machine-id:one", later(1))
    with pytest.raises(StoreError, match="is pinned to machine-id:one"):
        store.pin_identity(SITE, "srv-db", "machine-id:two", later(2))
    assert store.identity(SITE, "srv-db") == "machine-id:one"
    store.pin_identity(SITE, "srv-db", "machine-id:two", later(3), replace=True)
    assert store.identity(SITE, "srv-db") == "machine-id:two"
    assert store.identity("elm", "srv-db") is None


def test_a_visit_that_was_never_delivered_is_not_gone_on_with_much_later(store: Store) -> None:
    first = store.open_visit(SITE, Visit.SIX_MONTH, T0)
    soon, late, limit = T0 + timedelta(days=59), T0 + timedelta(days=61), timedelta(days=60)
    assert store.open_visit(SITE, Visit.SIX_MONTH, soon, stays_open=limit) == first
    assert store.open_visit(SITE, Visit.SIX_MONTH, late, stays_open=limit) != first
    assert [visit.closed_at for visit in store.visits(SITE)] == [None, None]
