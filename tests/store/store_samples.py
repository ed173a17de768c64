"""Records to store, and the child processes of the store's tests."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from checkup.api import Bytes, ErrorClass, Impact, Quality, Ratio, Target, Visit, When
from checkup.assessment import Assessment, CheckOutcome, ItemResult, Outcome, Priority, ProbeText, Ranking
from checkup.snapshot import EndpointSnapshot, SectionSnapshot
from checkup.store import LedgerEntry, RunRecord

T0 = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
SITE = "cedar-ridge"


def later(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def a_run(visit_id: int, run_id: str = "r1", **changes: Any) -> RunRecord:
    given: dict[str, Any] = {
        "id": run_id,
        "site": SITE,
        "visit_id": visit_id,
        "visit": Visit.THIRTY_DAY,
        "started_at": T0,
        "tool_version": "1.0",
        "site_json": {"site": {"id": SITE}, "hosts": []},
        "plan_json": [1, 2.5, "three", None, True],
        "station_json": {"host": "laptop"},
    }
    return RunRecord(**(given | changes))


def an_endpoint(endpoint: str = "srv-db", **changes: Any) -> EndpointSnapshot:
    given: dict[str, Any] = {
        "endpoint": endpoint,
        "targets": (endpoint, "adt"),
        "started_at": T0,
        "finished_at": later(1),
        "complete": True,
        "sections": (a_section(endpoint), a_section("adt", "services", quality=Quality.DENIED)),
        "connection": {"transport": "ssh", "reached": True, "round_trip_s": 0.04},
        "hello": {"machine-id": "abc", "platform": "Linux"},
        "noise": "Welcome!\x1b[0m",
        "noise_bytes": 12,
    }
    return EndpointSnapshot(**(given | changes))


def a_section(target: str, section: str = "volumes", **changes: Any) -> SectionSnapshot:
    given: dict[str, Any] = {
        "target": target,
        "section": section,
        "version": 2,
        "source": "posix",
        "quality": Quality.OK,
        "collected_at": T0,
        "raw": "/dev/sda1 100 50 50 50% /\n",
        "error": ErrorClass.DENIED if changes.get("quality") == Quality.DENIED else None,
        "milliseconds": 12,
        "payload_bytes": 27,
    }
    return SectionSnapshot(**(given | changes))


def an_entry(run: str = "r1", script: bytes = b"df -P\n", **changes: Any) -> LedgerEntry:
    given: dict[str, Any] = {
        "run": run,
        "endpoint": "srv-db",
        "transport": "ssh",
        "at": T0,
        "sha256": hashlib.sha256(script).hexdigest(),
        "sent_bytes": len(script),
        "script": script,
    }
    return LedgerEntry(**(given | changes))


def an_assessment(**changes: Any) -> Assessment:
    finding = ItemResult(
        probe="host.volume-space",
        target="srv-db",
        item="/",
        outcome=Outcome.FINDING,
        collected_at=T0,
        evidence={"used": Ratio(0.97), "free": Bytes(3)},
        message="full",
        impact=Impact.MAJOR,
        when=When.NOW,
        ranking=Ranking(priority=Priority.P2, because="work is at risk"),
    )
    text = ProbeText(
        id="host.volume-space",
        title="Volumes have room",
        why="why",
        remedy="remedy",
        verify="verify",
        messages={"full": "Volume {item} is {used} full."},
        levels={"full": "90 %"},
    )
    given: dict[str, Any] = {
        "site": SITE,
        "visit": Visit.THIRTY_DAY,
        "clock": T0,
        "tool_version": "1.0",
        "targets": (Target(id="srv-db", endpoint="srv-db"),),
        "checks": (CheckOutcome(probe="host.volume-space", target="srv-db", outcome=Outcome.FINDING),),
        "results": (finding,),
        "metrics": (),
        "probes": {"host.volume-space": text},
    }
    return Assessment(**(given | changes))


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A Python process that runs `code` and can import this module."""
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})\n{code}",
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finish(process: subprocess.Popen[str]) -> str:
    """Its output, once it has ended well."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out
