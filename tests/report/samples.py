"""Reports to print: a realistic site, an empty one, very many findings, and hostile text.

Every date is fixed, so that the same sample gives the same bytes in any year.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from checkup.api import (
    Bytes,
    Duration,
    ErrorClass,
    Forecast,
    Impact,
    Instant,
    Number,
    Ratio,
    Target,
    Text,
    Value,
    Visit,
    When,
    Worse,
)
from checkup.assessment import (
    Assessment,
    CheckOutcome,
    Comparison,
    ItemResult,
    Outcome,
    Priority,
    ProbeText,
    Ranking,
    Resolved,
    Trend,
    Waived,
    worst,
)
from checkup.report.input import (
    CommandText,
    Contact,
    EndpointFacts,
    LedgerLine,
    MetricHistory,
    ReportInput,
    RunFacts,
    SiteHeader,
)

CLOCK = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
LAST_VISIT = datetime(2026, 5, 28, 16, 0, tzinfo=UTC)
GB = 1024**3

_TITLES: Mapping[str, str] = {
    "host.volume-space": "Data volumes have room to grow",
    "host.volume-inodes": "Data volumes have room for more files",
    "host.volume-forecast": "No volume fills up before the next visits",
    "host.clock": "The clock is right",
    "host.memory": "Memory is not short",
    "host.load": "The processors are not overloaded",
    "host.uptime": "The machine was restarted after its last update",
    "host.updates": "Security updates are installed",
    "host.errors": "The system log holds no hardware errors",
    "host.services": "The declared services run",
    "host.certificates": "Certificates are valid beyond the next visit",
    "host.names": "Declared names resolve to the right addresses",
    "host.backup-age": "The last back-up is recent",
    "host.restore-test": "A restore was tested in the last twelve months",
    "host.firewall": "Only the expected ports are open",
    "host.accounts": "No account is shared",
    "host.remote-access": "The vendor's remote access works",
    "host.disk-health": "The disks report no faults",
    "host.swap": "The machine does not swap",
    "host.time-source": "The clock follows a time server",
}
_MESSAGES: Mapping[str, str] = {
    "host.volume-space": "Volume {item} is {used} full: {free} free of {size}.",
    "host.volume-forecast": "At its growth so far, volume {item} will be full about {full_on}.",
    "host.backup-age": "The last back-up is {age} old.",
    "host.restore-test": "No restore was tested in the last twelve months.",
    "host.updates": "{missing} security updates are missing, the oldest since {since}.",
    "host.certificates": "The certificate {item} ends on {ends}.",
    "host.uptime": "{target} was last started {uptime} ago and waits for a restart.",
    "host.services": "The service {item} does not run.",
    "host.swap": "{target} swaps: {swapped} of its memory is on disk.",
}
_REMEDIES: Mapping[str, str] = {
    "host.volume-space": "Move old back-up sets to the archive, or extend the volume. Ask before deleting.",
    "host.volume-forecast": "Order a larger disk for the database server. Plan an hour without users.",
    "host.backup-age": "Take a back-up today, then find out why the job stopped. Its log says more.",
    "host.restore-test": "Restore the last back-up to a spare machine and open three patient charts.",
    "host.certificates": "Renew the certificate before it ends, and tell the interface partners.",
    "host.updates": "Install the missing updates on the workstations in an evening window.",
    "host.swap": "Give the server 8 GB more memory, or move the report job to another machine.",
    "host.uptime": "Restart the interface server on a Sunday, with the interface partners told.",
}
TARGETS: Sequence[Target] = (
    Target(id="srv-db", title="Database server", role="database-server", endpoint="srv-db"),
    Target(id="srv-if", title="Interface server", role="interface-server", endpoint="srv-if"),
    Target(id="srv-bak", title="Back-up server", role="backup-server", endpoint="srv-bak"),
    *(
        Target(id=f"ws-{n}", title=f"Workstation {n}", role="workstation", endpoint=f"ws-{n}")
        for n in range(1, 11)
    ),
)
UNREACHABLE = frozenset({"ws-9"})
NOT_APPLICABLE = frozenset({"host.disk-health"})


def probe_text(probe: str) -> ProbeText:
    return ProbeText(
        id=probe,
        title=_TITLES.get(probe, probe),
        why="When this fails, people at the site cannot work as they should, and the cause is found late.",
        remedy=_REMEDIES.get(probe, "Bring it back to the state expected. Ask the vendor when in doubt."),
        verify="The next check-up, or the same command by hand, shows the state expected.",
        messages={"seen": _MESSAGES.get(probe, "{item} is not as it should be ({value}).")},
        levels={"tight": "0.8", "full": "0.9"} if "volume" in probe else {},
        linted=probe != "host.accounts",
    )


def finding(
    probe: str,
    target: str,
    priority: Priority = Priority.P3,
    *,
    item: str = "",
    evidence: Mapping[str, Value] | None = None,
    trend: Trend = Trend.NEW,
    waived: Waived | None = None,
    predicted: bool = True,
    when: When = When.LATER,
) -> ItemResult:
    return ItemResult(
        probe=probe,
        target=target,
        item=item,
        outcome=Outcome.FINDING,
        collected_at=CLOCK - timedelta(hours=8),
        source="posix",
        evidence=evidence or {},
        message="seen",
        impact=Impact.MAJOR if priority in (Priority.P1, Priority.P2) else Impact.LIMITED,
        when=when,
        ranking=Ranking(priority=priority, predicted=predicted, because="limits the use of the software"),
        trend=trend,
        waived=waived,
        visits_seen=2 if trend is Trend.PERSISTS else 1,
    )


def passed(probe: str, target: str, item: str = "", **evidence: Value) -> ItemResult:
    return ItemResult(
        probe=probe, target=target, item=item, outcome=Outcome.PASSED, collected_at=CLOCK, evidence=evidence
    )


def not_checked(probe: str, target: str, reason: str, error: ErrorClass | None) -> ItemResult:
    return ItemResult(
        probe=probe, target=target, item="", outcome=Outcome.NOT_CHECKED, reason=reason, error=error
    )


def space(used: float, size: int = 400 * GB) -> dict[str, Value]:
    return {
        "used": Ratio(used),
        "free": Bytes(round(size * (1 - used))),
        "size": Bytes(size),
        "limit": Ratio(0.9 if used >= 0.9 else 0.8),
    }


def assessment(
    results: Sequence[ItemResult],
    *,
    targets: Sequence[Target] = TARGETS,
    compared: bool = True,
    visit: Visit = Visit.SIX_MONTH,
) -> Assessment:
    """An assessment whose checks follow from its results, as the engine closes them."""
    items: dict[tuple[str, str], list[ItemResult]] = {}
    for result in results:
        items.setdefault((result.probe, result.target), []).append(result)
    checks = tuple(
        CheckOutcome(
            probe=probe,
            target=target,
            outcome=worst(item.outcome for item in of_check),
            waived=all(
                i.waived is not None and i.waived.in_force for i in of_check if i.outcome is Outcome.FINDING
            )
            and any(i.outcome is Outcome.FINDING for i in of_check),
            levels={"/srv: full": "0.95"} if (probe, target) == ("host.volume-space", "srv-db") else {},
        )
        for (probe, target), of_check in items.items()
    )
    return Assessment(
        site="cedar-ridge",
        visit=visit,
        clock=CLOCK,
        tool_version="0.1.0",
        targets=tuple(targets),
        checks=checks,
        results=tuple(results),
        metrics=(),
        compared_with=Comparison(
            visit=Visit.TUNE_UP, at=LAST_VISIT, counts={"P1": 0, "P2": 5, "P3": 9, "note": 1}
        )
        if compared
        else None,
        probes={probe: probe_text(probe) for probe in {result.probe for result in results}},
    )


def _demo_findings() -> list[ItemResult]:
    full_on = Instant(datetime(2027, 2, 3, tzinfo=UTC))
    accepted = Waived(reason="disk ordered", approved_by="R. Alvarado", until=date(2027, 1, 31))
    lapsed = replace(accepted, reason="to be replaced in the summer", until=date(2026, 9, 1), lapsed=True)
    updates: dict[str, Value] = {"missing": Number(14), "since": Instant(datetime(2026, 6, 2, tzinfo=UTC))}
    return [
        replace(
            finding("host.volume-space", "srv-db", Priority.P1, item="/srv", evidence=space(0.93)),
            when=When.BEFORE_NEXT_VISIT,
            value=Ratio(0.93),
            worse=Worse.HIGHER,
            trend=Trend.WORSENED,
            previous_value=Ratio(0.84),
            ranking=Ranking(
                priority=Priority.P1,
                predicted=True,
                function="case-entry",
                because="case-entry will be unavailable, and there is no workaround",
            ),
        ),
        finding("host.volume-forecast", "srv-db", Priority.P2, item="/srv", evidence={"full_on": full_on}),
        finding(
            "host.backup-age",
            "srv-bak",
            Priority.P2,
            evidence={"age": Duration(9.4 * 86400), "limit": Duration(2 * 86400)},
            trend=Trend.REOPENED,
        ),
        finding("host.restore-test", "srv-bak", Priority.P2, trend=Trend.PERSISTS),
        finding(
            "host.certificates",
            "srv-if",
            Priority.P2,
            item="/etc/ssl/interface.pem",
            evidence={"ends": Instant(datetime(2026, 12, 1, 12, tzinfo=UTC))},
            waived=lapsed,
        ),
        *(finding("host.updates", f"ws-{n}", evidence=updates, trend=Trend.PERSISTS) for n in range(1, 8)),
        finding("host.uptime", "srv-if", evidence={"uptime": Duration(190 * 86400)}),
        finding("host.volume-space", "ws-1", item="/", evidence=space(0.97, 120 * GB), waived=accepted),
        finding("host.swap", "srv-db", evidence={"swapped": Ratio(0.12)}, trend=Trend.IMPROVED),
        finding("host.services", "srv-if", Priority.NOTE, item="cups"),
    ]


def demo(findings: Sequence[ItemResult] | None = None) -> ReportInput:
    """Thirteen hosts and twenty probes, about as a real six-month check-up looks."""
    found = list(_demo_findings() if findings is None else findings)
    have = {(f.probe, f.target) for f in found}
    results = [*found]
    for target in TARGETS:
        for probe in _TITLES:
            if (probe, target.id) in have:
                continue
            results.append(_result(probe, target.id))
    judged = replace(
        assessment(results),
        resolved=(
            Resolved(
                probe="host.time-source",
                target="srv-if",
                item="",
                message="seen",
                evidence={"value": Duration(42)},
                priority=Priority.P2,
            ),
        ),
        unused_waivers=("host.swap on ws-3 (until 2027-01-31)",),
    )
    return ReportInput(
        assessment=judged,
        site=site(),
        runs=(
            RunFacts(
                run_id="20261122-0930",
                started_at=CLOCK - timedelta(hours=9),
                finished_at=CLOCK - timedelta(hours=8, minutes=53),
                state="complete",
                visit=Visit.SIX_MONTH,
                endpoints=tuple(endpoint(target.id) for target in TARGETS),
            ),
        ),
        ledger=tuple(_ledger(target.id, n) for n, target in enumerate(TARGETS)),
        commands=tuple(
            CommandText(section=probe.partition(".")[2], source="posix", text=_COLLECTOR) for probe in _TITLES
        ),
        station={
            "computer": "support laptop 14",
            "system": "Windows 11 23H2",
            "python": "3.12.4",
            "time source": "w32time",
        },
        history=history(),
        next_visit="Tune-up analysis on site, due 28 May 2027",
    )


def _result(probe: str, target: str) -> ItemResult:
    if target in UNREACHABLE:
        return not_checked(
            probe, target, "no answer from 10.40.1.29 port 22 within 10 s", ErrorClass.UNREACHABLE
        )
    if probe in NOT_APPLICABLE:
        return ItemResult(
            probe=probe,
            target=target,
            item="",
            outcome=Outcome.NOT_APPLICABLE,
            reason="a virtual machine shows no disk health",
        )
    if (probe, target) == ("host.errors", "srv-if"):
        return not_checked(probe, target, "reading the system log needs the group adm", ErrorClass.DENIED)
    if probe == "host.volume-space":
        return passed(probe, target, "/", **space(0.41, 250 * GB))
    return passed(probe, target, load=Number(0.4, "per core"))


def site() -> SiteHeader:
    return SiteHeader(
        id="cedar-ridge",
        name="Cedar Ridge Heart Center",
        timezone="America/Denver",
        prepared_for="R. Alvarado, practice manager",
        prepared_by="A. Novak, technical support",
        package="premium",
        contacts=(
            Contact(role="practice_manager", name="R. Alvarado", reach="r.alvarado@cedar.example"),
            Contact(role="is_staff", name="T. Brook", reach="+1 303 555 0142"),
        ),
    )


def endpoint(name: str) -> EndpointFacts:
    lost = name in UNREACHABLE
    started = CLOCK - timedelta(hours=9)
    return EndpointFacts(
        endpoint=name,
        targets=(name,),
        transport="ssh",
        started_at=started,
        finished_at=started + timedelta(seconds=12),
        complete=not lost,
        address="10.40.1.29:22",
        reached=not lost,
        error=ErrorClass.UNREACHABLE if lost else None,
        reason="no answer from 10.40.1.29 port 22 within 10 s" if lost else "",
        round_trip_s=None if lost else 0.042,
        clock_offset_s=None if lost else (4.2 if name == "srv-if" else 0.01),
        clock_error_s=None if lost else 0.05,
        host_key="" if lost else "SHA256:3q2+7w" + "A" * 37,
        host_key_check="" if lost else "pinned",
        identity="" if lost else f"machine-id:{name:0<32}"[:43],
        identity_check="" if lost else "pinned",
        hello={} if lost else {"os": "Debian GNU/Linux 12", "kernel": "6.1.0-28-amd64", "user": "checkup"},
    )


def _ledger(target: str, number: int) -> LedgerLine:
    lost = target in UNREACHABLE
    return LedgerLine(
        at=CLOCK - timedelta(hours=9, seconds=-7 * number),
        endpoint=target,
        transport="ssh",
        sha256=f"{number:02x}9f2c41d0" * 6 + "e7a3",
        sent_bytes=23_480 + number,
        returned_bytes=None if lost else 45_123 - number,
        outcome="unreachable" if lost else "complete",
    )


def history() -> tuple[MetricHistory, ...]:
    def at(days: int) -> datetime:
        return CLOCK - timedelta(days=days)

    used = tuple((at(540 - 90 * n), (250 + 20 * n + (n % 3)) * float(GB)) for n in range(7))
    return (
        MetricHistory(
            probe="host.volume-forecast",
            target="srv-db",
            name="used_bytes",
            item="/srv",
            kind="bytes",
            points=used,
            limit=400.0 * GB,
            forecast=Forecast(
                reached=CLOCK + timedelta(days=126),
                earliest=CLOCK + timedelta(days=98),
                latest=CLOCK + timedelta(days=170),
                per_day=0.22 * GB,
                points=7,
                span_days=540,
            ),
        ),
        MetricHistory(
            probe="host.volume-space",
            target="srv-if",
            name="used",
            item="/",
            kind="ratio",
            points=tuple((at(540 - 180 * n), 0.31 + 0.02 * n) for n in range(4)),
            limit=0.9,
        ),
        MetricHistory(
            probe="host.load",
            target="srv-db",
            name="load",
            unit="per core",
            points=((at(360), 0.9), (at(180), 0.7), (at(0), 0.4)),
        ),
    )


def empty() -> ReportInput:
    """A site where nothing was planned: the report must not claim anything."""
    return ReportInput(assessment=assessment([], targets=(), compared=False), site=site())


def many_findings(number: int = 300) -> ReportInput:
    """Each one a matter of its own: no grouping helps."""
    priorities = (Priority.P2, Priority.P3, Priority.P3)
    found = [
        finding(
            f"host.check-{n}",
            TARGETS[n % 13].id,
            priorities[n % 3],
            item=f"item {n}",
            evidence={"value": Number(n)},
        )
        for n in range(number)
    ]
    return demo(found)


HOSTILE: Mapping[str, str] = {
    "html": '<img src="file:///etc/passwd"><link rel=attachment href="http://127.0.0.1:9/x"><script>alert(1)</script>',
    "template": "{{ 7*7 }}{% raw %}{item.__class__}",
    "terminal": "\x1b[31mred\x1b[0m\x07",
    "nul": "a\x00b\x9fc",
    "direction": "invoice\u202efdp.exe\u2066x\u2069",
    "surrogate": "half \ud800 a pair \udfff",
    "scripts": "\u4e2d\u6587 \u05e9\u05dc\u05d5\u05dd "
    "\u0645\u0631\u062d\u0628\u0627 \U0001f480 na\u00efve \u03a9 \u0416",
    "marks": "Z" + "\u0301\u0337" * 200,
    "token": "x" * 10_000_000,
    "lines": "one\ntwo\r\nthree\tfour",
    "css": "red;background:url(http://127.0.0.1:9/y)",
    "link": "javascript:alert(1)",
    "noncharacter": "\uffff\ufdd0\U0010ffff",
}


def hostile() -> ReportInput:
    """The realistic site, with every foreign text replaced by something nasty."""
    given = demo()
    found = [
        finding(
            "host.volume-space",
            "ws-1",
            item=text,
            evidence={"used": Text(text), "free": Text(text), "value": Ratio(float("nan"))},
        )
        for text in HOSTILE.values()
    ]
    refused = [
        not_checked(f"host.probe-{name}", "ws-2", text, ErrorClass.BAD_OUTPUT)
        for name, text in HOSTILE.items()
    ]
    targets = [replace(t, title=text) for t, text in zip(TARGETS, HOSTILE.values(), strict=True)]
    one = endpoint("ws-1")
    endpoints = tuple(
        replace(
            one,
            endpoint=text,
            address=text,
            identity=text,
            host_key_check=text,
            reason=text,
            hello={text: text},
        )
        for text in HOSTILE.values()
    )
    return replace(
        given,
        assessment=replace(
            assessment([*found, *refused], targets=targets), unused_waivers=tuple(HOSTILE.values())
        ),
        site=replace(
            given.site,
            name=HOSTILE["html"],
            prepared_for=HOSTILE["direction"],
            confidentiality=HOSTILE["css"],
        ),
        runs=(replace(given.runs[0], run_id=HOSTILE["token"], endpoints=endpoints),),
        ledger=tuple(
            replace(_ledger("ws-1", 1), endpoint=text, transport=text, outcome=text)
            for text in HOSTILE.values()
        ),
        commands=tuple(
            CommandText(section=name, source="posix", text=text) for name, text in HOSTILE.items()
        ),
        station=HOSTILE,
        next_visit=HOSTILE["surrogate"],
    )


_COLLECTOR = """command -v df >/dev/null || absent "no df command"
df -P -k -l 2>/dev/null || df -P -k || partial "df could not read every volume"
echo "== inodes"
df -P -i -l 2>/dev/null || df -P -i 2>/dev/null
echo "== mounts"
cat /proc/mounts 2>/dev/null
for service in $P_services; do
    printf '%s=' "$service"
    systemctl is-active "$service" 2>/dev/null || true
done
exit 0
"""
