"""What was examined, system by system, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from checkup.api import Bytes, Duration, ErrorClass, Measured, Number, Ratio, Target
from checkup.assessment import CheckOutcome, ItemResult, Outcome
from checkup.report.charts import Bar, bar
from checkup.report.findings import Printing, in_order, ranking, waived
from checkup.report.input import EndpointFacts, ReportInput
from checkup.report.model import (
    Card,
    CheckRow,
    NotCheckedRow,
    Pair,
    Reference,
    SystemLine,
    SystemPage,
)
from checkup.report.text import NBSP, clean, count, duration_text, prose
from checkup.report.words import (
    GRANT_TO_RUN,
    NO_ERROR_CLASS,
    OWN_PAGE,
    RESULT,
    SQL_ENGINES,
    WHAT_A_DATABASE_TAKES,
    WHAT_AN_INSTANCE_TAKES,
    WHAT_IT_TAKES,
)

# So few systems that each gets its own table, findings or not.
FEW_SYSTEMS = 4
# A finding on so many systems is a matter of the fleet, not of each machine.
SHARED_BY = 3
MOST_ITEMS = 3
# What a machine said about itself that a reader can use; the rest is for the engine.
SHOWN_OF_HELLO = ("hostname", "kernel", "user", "missing")
MOST_ROWS = 120
MOST_PLACES = 12
MOST_TITLES = 6

_ORDER = [Outcome.FINDING, Outcome.NOT_CHECKED, Outcome.PASSED, Outcome.NOT_APPLICABLE]
_WORST_STYLE = {"P1": "bad", "P2": "warn", "P3": "mute", "note": "mute"}

ByCheck = Mapping[tuple[str, str], Sequence[ItemResult]]


def by_check(results: Iterable[ItemResult]) -> dict[tuple[str, str], list[ItemResult]]:
    out: dict[tuple[str, str], list[ItemResult]] = {}
    for result in results:
        out.setdefault((result.probe, result.target), []).append(result)
    return out


def systems(
    given: ReportInput, by_card: Sequence[tuple[Card, Sequence[ItemResult]]], printer: Printing
) -> tuple[list[SystemPage], list[SystemLine]]:
    """A table for each system with findings of its own, one line for each of the others. Access files and SQL
    instances have pages of their own.

    A finding that many systems share is told on its card; it alone makes no table.
    """
    assessment = given.assessment
    checks: dict[str, list[CheckOutcome]] = {}
    for check in assessment.checks:
        checks.setdefault(check.target, []).append(check)
    results = by_check(assessment.results)
    reached = last_reached(given)
    targets = [target for target in assessment.targets if target.kind not in OWN_PAGE]
    if "" in checks:
        targets.append(Target(id="", kind="site"))
    own: set[str] = set()
    shared: dict[str, list[Reference]] = {}
    for card, findings in by_card:
        hit = dict.fromkeys(finding.target for finding in findings)
        for target_id in hit:
            shared.setdefault(target_id, []).append(Reference(number=card.number, anchor=card.anchor))
        if len(hit) < SHARED_BY:
            own |= set(hit)
    pages: list[SystemPage] = []
    lines: list[SystemLine] = []
    for target in targets:
        planned = checks.get(target.id, [])
        endpoint = reached.get(target.id)
        if len(targets) <= FEW_SYSTEMS or target.id in own:
            pages.append(_page(len(pages) + 1, target, planned, results, endpoint, printer))
        else:
            lines.append(_line(target, planned, shared.get(target.id, []), endpoint, printer))
    return pages, lines


def last_reached(given: ReportInput) -> dict[str, EndpointFacts]:
    """For each target the newest connection that reached it, else the newest attempt."""
    out: dict[str, EndpointFacts] = {}
    facts = [endpoint for run in given.runs for endpoint in run.endpoints]
    for endpoint in sorted(facts, key=lambda facts: (facts.reached, facts.finished_at)):
        out |= dict.fromkeys(endpoint.targets, endpoint)
    return out


def _page(
    index: int,
    target: Target,
    planned: Sequence[CheckOutcome],
    results: ByCheck,
    endpoint: EndpointFacts | None,
    printer: Printing,
) -> SystemPage:

    def items(check: CheckOutcome) -> Sequence[ItemResult]:
        return results.get((check.probe, check.target), [])

    ordered = sorted(
        planned, key=lambda check: (_ORDER.index(check.outcome), _urgency(items(check)), check.probe)
    )
    told, alike = _apart(ordered, items)
    rows = [_row(check, items(check), printer) for check in told]
    rows += [_shared_row(reason, checks) for reason, checks in alike]
    # A measured value is worth its line; of the other passes the name is.
    named = [c for c, row in zip(told, rows, strict=False) if c.outcome is Outcome.PASSED and row.bar is None]
    named += [c for c in told if c.outcome is Outcome.NOT_APPLICABLE]
    rows = [row for row, c in zip(rows, [*told, *(None for _ in alike)], strict=True) if c not in named]
    left_out = len(rows) - MOST_ROWS
    tail = f" Only the first {MOST_ROWS} are printed." if left_out > 0 else ""
    return SystemPage(
        anchor=f"system-{index}",
        title=printer.where(target.id),
        kind=kind_beside_title(target, printer),
        facts=tuple(_facts(target, endpoint)),
        totals=totals_of(planned) + tail,
        rows=tuple(rows[:MOST_ROWS]),
        named_only=len(named),
        in_shared_rows=sum(len(checks) - 1 for _, checks in alike),
        passed=titles_of(named, Outcome.PASSED, printer),
        not_applicable=titles_of(named, Outcome.NOT_APPLICABLE, printer),
    )


def _apart(
    checks: Sequence[CheckOutcome], items: Callable[[CheckOutcome], Sequence[ItemResult]]
) -> tuple[list[CheckOutcome], list[tuple[str, list[CheckOutcome]]]]:
    """Checks to tell one by one, and those that could not be made for one and the same reason."""
    reasons: dict[str, list[CheckOutcome]] = {}
    for check in checks:
        if check.outcome is Outcome.NOT_CHECKED:
            reasons.setdefault("; ".join(item.reason for item in items(check)), []).append(check)
    alike = {reason: group for reason, group in reasons.items() if reason and len(group) >= SHARED_BY}
    grouped = [check for group in alike.values() for check in group]
    return [check for check in checks if check not in grouped], list(alike.items())


def _shared_row(reason: str, checks: Sequence[CheckOutcome]) -> CheckRow:
    return CheckRow(
        check=count(len(checks), "check"),
        found=clean(reason, 300),
        level="",
        bar=None,
        result=RESULT[Outcome.NOT_CHECKED],
        style="warn",
    )


def titles_of(checks: Sequence[CheckOutcome], outcome: Outcome, printer: Printing) -> str:
    """The titles of these checks, as one line."""
    return "; ".join(clean(printer.probe(c.probe).title) for c in checks if c.outcome is outcome)


def _urgency(items: Sequence[ItemResult]) -> str:
    """The most urgent priority among the findings: "P1" sorts before "note"."""
    return min((ranking(i).priority.value for i in items if i.outcome is Outcome.FINDING), default="")


def _kind(target: Target) -> str:
    return clean(target.role.replace("-", " ") or target.kind, 80)


def kind_beside_title(target: Target, printer: Printing) -> str:
    """The kind, "" where the title says it already: no "File server file server"."""
    kind = _kind(target)
    return "" if kind.casefold() in printer.where(target.id).casefold() else kind


def totals_of(planned: Sequence[CheckOutcome]) -> str:
    seen = Counter(check.outcome for check in planned)
    named = {**RESULT, Outcome.FINDING: "with findings"}
    parts = [f"{seen[outcome]:,} {named[outcome].lower()}" for outcome in _ORDER if seen[outcome]]
    return f"{count(len(planned), 'check')}: {', '.join(parts)}." if parts else "No check was planned."


def _facts(target: Target, endpoint: EndpointFacts | None) -> Iterable[Pair]:
    if endpoint is None:
        return
    if target.id != endpoint.endpoint:
        yield "served by", clean(endpoint.endpoint, 120)
    for name in SHOWN_OF_HELLO:
        if value := endpoint.hello.get(name):
            yield name, clean(value, 200)
    yield "reached", way_in(endpoint)
    if endpoint.identity and endpoint.identity not in endpoint.hello.values():
        yield "identity", clean(endpoint.identity, 120)
    if clock(endpoint):
        yield "clock", clock(endpoint)


def way_in(endpoint: EndpointFacts) -> str:
    if endpoint.transport == "server-pages":
        return f"pages that {clean(endpoint.address, 120) or 'its machine'} handed out"
    address = f" to {clean(endpoint.address, 120)}" if endpoint.address else ""
    return f"{clean(endpoint.transport, 40)}{address}"


def clock(endpoint: EndpointFacts) -> str:
    """The offset of the machine's clock, with its error bar."""
    if endpoint.clock_offset_s is None:
        return ""
    offset = endpoint.clock_offset_s
    error = endpoint.clock_error_s
    around = f" ± {duration_text(error)}" if error is not None else ""
    if error is not None and abs(offset) <= error:
        return f"right, within{NBSP}{duration_text(error)}"
    return f"{duration_text(abs(offset))} {'ahead' if offset > 0 else 'behind'}{around}"


def _row(check: CheckOutcome, items: Sequence[ItemResult], printer: Printing) -> CheckRow:
    worst = [item for item in items if item.outcome is check.outcome]
    if check.outcome is Outcome.FINDING:
        worst = in_order(worst)
    shown = [_found(item, printer) for item in worst[:MOST_ITEMS]]
    if len(worst) > MOST_ITEMS:
        shown.append(f"and {len(worst) - MOST_ITEMS} more")
    levels = list(dict.fromkeys(printer.level(item) for item in worst[:MOST_ITEMS]))
    one = worst[0] if len(worst) == 1 else None
    return CheckRow(
        check=clean(printer.probe(check.probe).title),
        found="; ".join(text for text in shown if text),
        level=levels[0] if len(levels) == 1 else "",
        bar=_bar(one, printer) if one else None,
        result=_result(check, worst),
        style=_style(check, worst),
    )


def _found(item: ItemResult, printer: Printing) -> str:
    if item.outcome is Outcome.FINDING:
        return printer.message(item)
    text = clean(item.reason, 300) if item.reason else printer.evidence(item)
    named = clean(item.item, 120)
    return f"{named}: {text}" if named and text else named or text


def _result(check: CheckOutcome, worst: Sequence[ItemResult]) -> str:
    if check.outcome is not Outcome.FINDING or not worst:
        return RESULT[check.outcome]
    if check.waived:
        return "Accepted"
    return _counted(worst)


def _counted(worst: Sequence[ItemResult]) -> str:
    first = next((item for item in worst if not waived(item)), worst[0])
    priority = ranking(first).priority.value
    return "Note" if priority == "note" else priority


def _style(check: CheckOutcome, worst: Sequence[ItemResult]) -> str:
    match check.outcome:
        case Outcome.PASSED:
            return "ok"
        case Outcome.FINDING if worst and not check.waived:
            return _WORST_STYLE.get(_counted(worst), "mute")
        case Outcome.NOT_CHECKED:
            return "warn"
        case _:
            return "mute"


def _bar(item: ItemResult, printer: Printing) -> Bar | None:
    """The first measured value of the limit's own kind, against the limit."""
    limit = item.evidence.get("limit")
    if not isinstance(limit, Bytes | Ratio | Number | Duration):
        return None
    pairs = [
        (name, value)
        for name, value in item.evidence.items()
        if name != "limit" and isinstance(value, type(limit))
    ]
    if not pairs:
        return None
    name, value = pairs[0]
    return _level_bar(name, value, limit, item, printer)


def _level_bar(
    name: str, value: Measured, limit: Measured, item: ItemResult, printer: Printing
) -> Bar | None:
    style = _WORST_STYLE[ranking(item).priority.value] if item.outcome is Outcome.FINDING else "fine"
    spoken = f"{clean(name, 60).replace('_', ' ')} {printer.formats.value(value)}"
    whole = 1.0 if isinstance(limit, Ratio) and value.value <= 1 else None
    return bar(
        value.value,
        limit.value,
        whole=whole,
        style=style,
        title=f"{spoken}, level {printer.formats.value(limit)}",
    )


def _line(
    target: Target,
    planned: Sequence[CheckOutcome],
    shared: Sequence[Reference],
    endpoint: EndpointFacts | None,
    printer: Printing,
) -> SystemLine:
    seen = Counter(check.outcome for check in planned)
    hello: Mapping[str, str] = endpoint.hello if endpoint else {}
    made_by = "Windows " if hello.get("platform") == "windows" else ""
    system = f"{made_by}{hello.get('os_id', '')} {hello.get('os_version', '')}".strip()
    return SystemLine(
        title=printer.where(target.id),
        kind=_kind(target),
        system=clean(system, 120),
        shared=tuple(shared),
        passed=seen[Outcome.PASSED],
        not_applicable=seen[Outcome.NOT_APPLICABLE],
        not_checked=seen[Outcome.NOT_CHECKED],
        clock=clock(endpoint) if endpoint else "",
    )


# --- what was not checked -------------------------------------------------------------------------


def not_checked(
    given: ReportInput, printer: Printing, lacked: Callable[[str], str] = lambda reason: ""
) -> list[NotCheckedRow]:
    """Grouped by reason and checks. A check without a result of its own is listed all the same. `lacked`
    names the rights of a SQL instance that a reason asks for; the statements stand on its page."""
    assessment = given.assessment
    missing = [c for c in assessment.checks if c.outcome is Outcome.NOT_CHECKED]
    planned = Counter(check.target for check in assessment.checks)
    whole = Counter(check.target for check in missing)
    results = by_check(assessment.not_checked)
    kinds = {target.id: target.kind for target in assessment.targets}
    groups: dict[tuple[str, ErrorClass | None, str, str], list[str]] = {}
    for check in missing:
        for item in results.get((check.probe, check.target)) or [None]:
            takes = what_it_takes(kinds.get(check.target, ""), item)
            key = (check.target, item.error if item else None, item.reason if item else "no result", takes)
            title = clean(printer.probe(check.probe).title)
            named = clean(item.item, 120) if item else ""
            groups.setdefault(key, []).append(f"{title} ({named})" if named else title)
    # Items that could not be judged, on a check that has worse to tell.
    checked = {(check.probe, check.target) for check in missing}
    for (probe, target), items in results.items():
        if (probe, target) not in checked:
            for item in items:
                title = f"{clean(printer.probe(probe).title)} ({clean(item.item or 'in part', 120)})"
                takes = what_it_takes(kinds.get(target, ""), item)
                groups.setdefault((target, item.error, item.reason, takes), []).append(title)
    # Machines that miss the same for the same reason share a line.
    rows: dict[tuple[str, str, str], list[str]] = {}
    sizes: Counter[tuple[str, str, str]] = Counter()
    for (target, error, why, takes), titles in groups.items():
        rights = lacked(why) if kinds.get(target) in SQL_ENGINES else ""
        reason = f"the check-up's login lacks {rights}" if rights else why
        everything = whole[target] == planned[target] == len(titles)
        row = (_reason(error, reason), _titles(titles, everything=everything), takes)
        rows.setdefault(row, []).append(printer.where(target))
        sizes[row] += len(titles)
    return [
        NotCheckedRow(
            where=_places(places),
            reason=row[0],
            checks=row[1],
            takes=row[2],
            count=sizes[row],
        )
        for row, places in sorted(rows.items(), key=lambda pair: (-sizes[pair[0]], pair[0][0], pair[1]))
    ]


_STATEMENTS = ("GRANT ", "CREATE USER ")


def what_it_takes(kind: str, result: ItemResult | None) -> str:
    """What would make of this result a checked one; `kind` is its target's."""
    if result is None or result.error is None:
        return NO_ERROR_CLASS
    error = result.error
    if kind not in SQL_ENGINES:
        return WHAT_IT_TAKES[error]
    if error is ErrorClass.DENIED and any(verb in result.reason for verb in _STATEMENTS):
        return GRANT_TO_RUN
    if result.item and error in WHAT_A_DATABASE_TAKES:
        return WHAT_A_DATABASE_TAKES[error]
    return WHAT_AN_INSTANCE_TAKES.get(error, WHAT_IT_TAKES[error])


def _places(places: Sequence[str]) -> str:
    if len(places) <= MOST_PLACES:
        return ", ".join(places)
    return f"{', '.join(places[:MOST_PLACES])} and {len(places) - MOST_PLACES} more"


def _reason(error: ErrorClass | None, reason: str) -> str:
    return prose(clean(reason, 300)) or (error.value.replace("_", " ") if error else "no reason given")


def _titles(titles: Sequence[str], *, everything: bool) -> str:
    if everything and len(titles) > 1:
        return f"all {count(len(titles), 'check')}"
    if len(titles) > MOST_TITLES:
        return count(len(titles), "check")
    return "; ".join(dict.fromkeys(titles))
