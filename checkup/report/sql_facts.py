"""What a SQL instance is, whether its data are sound, who may do what there, and what takes its time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from checkup.api import Ratio
from checkup.assessment import CheckOutcome, ItemResult, Outcome
from checkup.report.charts import share
from checkup.report.findings import ranking, waived
from checkup.report.model import CheckRow, Pair, Statement, Topic
from checkup.report.sql_blind_spots import grants_in
from checkup.report.target_results import TargetResults
from checkup.report.text import and_so_on, capital, clean, count, within_sentence
from checkup.report.words import RESULT, SQL_ENGINES

DAY_S = 86_400.0
# What a server counts since its start says little before a week of work has passed.
RECENT_S = 7 * DAY_S

_SUPPORT: Mapping[str, str] = {"sqlserver": "support"}
_UPDATES: Mapping[str, str] = {"sqlserver": "updates", "postgresql": "minor-release"}
_STARTS: Mapping[str, str] = {"sqlserver": "restart"}

# By engine, in the order to print; a check that the visit does not have is left out.
_BACKUPS: Mapping[str, tuple[str, ...]] = {
    "sqlserver": (
        *("full-backup", "differential-backup", "log-backup", "log-chain", "backup-place"),
        *("backup-checksum", "backup-to-nothing", "backup-owner", "system-backup", "restore-test"),
        *("encryption-certificates", "log-backup-failed", "maintenance-jobs", "agent-running"),
    ),
    "postgresql": (
        *("backup-evidence", "archive-queue", "backup-mode", "replication", "standby"),
        *("replication-slots", "durability"),
    ),
    "mariadb": (
        *("backup-evidence", "restore-test", "binary-log", "binary-log-kept", "durability"),
        *("replication", "replica-read-only"),
    ),
}
_INTEGRITY: Mapping[str, tuple[str, ...]] = {
    "sqlserver": (
        *("suspect-pages", "integrity-check", "integrity-job", "page-verify", "page-repairs"),
        *("log-damage", "log-severe", "memory-dumps", "slow-requests", "database-state"),
    ),
    "postgresql": (
        *("damaged-pages", "page-checksums", "invalid-indexes", "constraints", "disabled-triggers"),
        *("unlogged-tables", "wraparound"),
    ),
    "mariadb": ("storage-engines", "disk-full"),
}
_RIGHTS: Mapping[str, tuple[str, ...]] = {
    "sqlserver": (
        *("no-patient-access", "least-privilege", "own-connection", "connection-encryption"),
        *("administrators", "sa", "password-policy", "programs-as-administrator", "service-account"),
        *("trustworthy", "surface", "linked-servers", "database-owners", "orphaned-users"),
        *("log-refused-logins", "certificate-expiry"),
    ),
    "postgresql": (
        *("no-patient-access", "own-connection", "encrypted-sessions", "superusers"),
        *("superuser-sessions", "password-hashing", "password-expiry"),
    ),
    "mariadb": (
        *("no-patient-access", "own-connection", "encryption", "anonymous-accounts", "passwords"),
        *("password-methods", "accounts-from-anywhere"),
    ),
}
_MOST_NAMED = 4
NEEDS_RIGHT = "The check-up's login lacks a right: see the list below."


# --- the instance -----------------------------------------------------------------------------


def facts_of(instance: TargetResults) -> Iterator[Pair]:
    yield "Release", _release(instance)
    support, ends = _support(instance), instance.shown(_support(instance), "ends")
    if ends:
        yield "Security updates", f"until {ends}{instance.pointer(support)}."
    edition, cap = instance.shown("edition", "edition"), instance.shown("express-limit", "cap")
    if edition or cap:
        limit = f"; it allows {cap} of data for each database" if cap else ""
        yield "Edition", f"{edition or 'SQL Server Express'}{limit}{instance.pointer('edition')}."
    started = _started(instance)
    if started:
        yield "Started", started
    if instance.endpoint is not None:
        yield "Asked", _asked(instance)


def release(instance: TargetResults) -> str:
    """ "SQL Server 2019", by what the checks know of it, else by its own words."""
    return instance.shown(_support(instance), "release") or _greeting(instance) or SQL_ENGINES[instance.area]


def _greeting(instance: TargetResults) -> str:
    """The engine with its version, as it was told at the log-in."""
    return clean(instance.endpoint.hello.get("kernel", ""), 80) if instance.endpoint else ""


def engine(instance: TargetResults) -> str:
    """What the instance is called; of two engines that are examined alike, the one that it is."""
    known = SQL_ENGINES[instance.area]
    if known in release(instance):
        return known
    return next((one for one in known.split(" or ") if release(instance).startswith(f"{one} ")), known)


def _support(instance: TargetResults) -> str:
    return _SUPPORT.get(instance.area, "supported-release")


def _release(instance: TargetResults) -> str:
    check = _UPDATES.get(instance.area, "")
    installed = instance.shown(check, "installed") or instance.shown(check, "version") or _greeting(instance)
    newest = instance.shown(check, "newest") or instance.shown(check, "latest")
    update, behind = instance.shown(check, "update"), instance.shown(check, "behind")
    said = _with_version(release(instance), installed, SQL_ENGINES[instance.area])
    said += f" ({update})" if update else ""
    match instance.outcome(check):
        case Outcome.FINDING:
            late = f", which is {behind} newer" if instance.area == "sqlserver" and behind else ""
            return f"{said}; the newest that we know is {newest}{late}{instance.pointer(check)}."
        case Outcome.PASSED:
            return f"{said}: the newest that we know."
        case _:
            return f"{said}."


def _with_version(name: str, installed: str, title: str) -> str:
    """ "PostgreSQL 15" and "PostgreSQL 15.6" are one thing; so are "MariaDB 10.11.6" and "10.11.6"."""
    version = installed.removeprefix(title).strip()
    product, _, number = name.rpartition(" ")
    if not version or name == installed:
        return name
    return f"{product} {version}" if f"{version}.".startswith(f"{number}.") else f"{name}, {version}"


def up_s(instance: TargetResults) -> float | None:
    """How long it has been running."""
    return instance.amount(_STARTS.get(instance.area, "uptime"), "up")


def _started(instance: TargetResults) -> str:
    check = _STARTS.get(instance.area, "uptime")
    started, up = instance.shown(check, "started"), instance.shown(check, "up")
    if not up:
        return ""
    said = f"{started}, {up} before the check-up" if started else f"{up} before the check-up"
    return f"{capital(said)}{instance.pointer(check)}. {doubt(instance)}".strip()


def doubt(instance: TargetResults) -> str:
    """What is to be said of counters that began a short while ago; "" where they have counted for long."""
    up = up_s(instance)
    if up is None or up >= RECENT_S:
        return ""
    return "What it has counted since then says little: such findings are marked as of low confidence."


def _asked(instance: TargetResults) -> str:
    endpoint = instance.endpoint
    assert endpoint is not None
    seen = instance.printer.formats.moment(endpoint.started_at)
    login = clean(endpoint.hello.get("user", ""), 80)
    at = f" at {clean(endpoint.address, 120)}" if endpoint.address else ""
    by = f", as {login}" if login else ""
    return f"{seen}{at}{by}; nothing was written, and no table of the clinic was read."


# --- checks by subject ------------------------------------------------------------------------


def topics_of(instance: TargetResults) -> Iterator[Topic]:
    for title, checks in (
        ("Back-ups in detail", _BACKUPS),
        ("Soundness of the data", _INTEGRITY),
        ("Who may do what", _RIGHTS),
    ):
        planned = {check.probe: check for check in instance.checks}
        named = [
            check for name in checks[instance.area] if (check := planned.get(instance.name(name))) is not None
        ]
        # What does not apply here is named at the end, with all such checks.
        told = [check for check in named if check.outcome is not Outcome.NOT_APPLICABLE]
        if told:
            yield Topic(title=title, rows=tuple(_line(instance, check) for check in told))


def _line(instance: TargetResults, check: CheckOutcome) -> CheckRow:
    short = check.probe.partition(".")[2]
    of_it = [one for one in instance.of(short) if one.outcome is check.outcome]
    style, result = _result(instance, check, short)
    match check.outcome:
        case Outcome.FINDING:
            found = instance.said(short)
        case Outcome.PASSED:
            found = _passed(instance, of_it)
        case _:
            found = _unseen(instance, of_it)
    return CheckRow(
        check=clean(instance.printer.probe(check.probe).title),
        found=found,
        level="",
        bar=None,
        result=result,
        style=style,
    )


def _result(instance: TargetResults, check: CheckOutcome, short: str) -> tuple[str, str]:
    if check.outcome is not Outcome.FINDING:
        return ("ok" if check.outcome is Outcome.PASSED else "warn"), RESULT[check.outcome]
    first = next((one for one in instance.findings(short) if not waived(one)), None)
    if first is None:
        return "mute", "Accepted"
    priority = ranking(first).priority.value
    pointer = instance.reference(short)
    number = f"{priority}, {pointer.number}" if pointer else capital(priority)
    return {"P1": "bad", "P2": "warn"}.get(priority, "mute"), number


def _passed(instance: TargetResults, results: Sequence[ItemResult]) -> str:
    """What was measured, where it is one thing; else of what it holds."""
    if len(results) == 1 and not results[0].item:
        return instance.printer.evidence(results[0])
    names = [clean(one.item, 120) for one in results if one.item]
    return and_so_on(names, _MOST_NAMED) if names else ""


def _unseen(instance: TargetResults, results: Sequence[ItemResult]) -> str:
    said: list[str] = []
    for one in results:
        if any(grants_in(one.reason)):
            named = f"{clean(one.item, 120)}: " if one.item else ""
            said.append(f"{named}{within_sentence(NEEDS_RIGHT)}" if named else NEEDS_RIGHT)
        else:
            said.append(clean(one.reason, 300))
    return instance.plain("; ".join(dict.fromkeys(said)))


# --- tune-up ----------------------------------------------------------------------------------

STATEMENTS, INDEXES = "top-statements", "missing-indexes"
MOST_STATEMENTS = 20
# The number that the statements are ranked by, and of what it is a share.
_SHARES: Mapping[str, tuple[str, str]] = {
    "sqlserver": ("processor_share", "the processors' time"),
    "postgresql": ("share", "the server's time"),
}


def statements_of(instance: TargetResults) -> Iterator[Statement]:
    """The statements that take most of the time, by their numbers."""
    values = instance.printer.formats.value
    remarks = {one.item: instance.printer.message(one) for one in instance.findings(STATEMENTS)}
    for item, part in _largest(instance):
        name = clean(item, 120)
        shown = values(Ratio(part))
        yield Statement(
            name=name,
            share=shown,
            bar=share(part, f"{name}: {shown} of the time"),
            change=_change(instance, item),
            remark=remarks.get(item, ""),
        )


def _largest(instance: TargetResults) -> list[tuple[str, float]]:
    metric, _ = _SHARES.get(instance.area, ("", ""))
    return sorted(instance.items(STATEMENTS, metric), key=lambda pair: (-pair[1], pair[0]))[:MOST_STATEMENTS]


def _change(instance: TargetResults, item: str) -> str:
    """Its share at the last visit that looked at statements."""
    metric, _ = _SHARES[instance.area]
    histories = {
        thing: history
        for (probe, name, thing), history in instance.history.items()
        if (probe, name) == (instance.name(STATEMENTS), metric) and len(history.points) > 1
    }
    if item not in histories:
        return "not among them" if histories else ""
    return instance.printer.formats.value(Ratio(histories[item].points[-2][1]))


def statements_note(instance: TargetResults) -> str:
    number = len(_largest(instance))
    if not number:
        return ""
    _, whole = _SHARES[instance.area]
    said = (
        f"The {count(number, 'statement')} with the largest share of {whole}, by number: texts of statements "
        "are never read. Improving them is the vendor's work, who finds them by these numbers."
    )
    return f"{said} {doubt(instance)}".strip()


def indexes_of(instance: TargetResults) -> tuple[str, ...]:
    """Indexes that the server would like to have: advice for the vendor, never for the site."""
    return tuple(dict.fromkeys(instance.printer.message(one) for one in instance.findings(INDEXES)))
