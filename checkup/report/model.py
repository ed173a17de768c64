"""What the templates print: every text cleaned and formatted, every number computed once.

Anchors and styles are made by us, never from a client's text: they are the only fields that the
templates may put into an `id`, a `class` or a link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from checkup.report.charts import Bar, Filling, Share, Spark, Stacked, TrendChart

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorityCount:
    """Findings (and the cards they are printed on), without waived ones."""

    priority: str
    style: str
    findings: int
    cards: int
    act: str
    meaning: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """One finding on a card: where it is, what was found there, what became of it."""

    where: str
    found: str
    evidence: str
    state: str
    marks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    """Findings of one kind and priority. `places_left_out` are only in checkup.json."""

    number: str
    anchor: str
    priority: str
    style: str
    heading: str
    expected: str
    probe: str
    where: str
    state: str
    findings: int
    places: tuple[Place, ...]
    places_left_out: int
    why: str
    ranking: str
    workaround: str
    remedy: str
    action: str
    verify: str
    concerns: str
    levels: str = ""  # the thresholds that it was judged by, and whose they are
    source: str = ""  # what was asked, and when


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    where: str
    found: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WaivedRow:
    priority: str
    style: str
    where: str
    found: str
    reason: str
    approved_by: str
    until: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What became of one matter, in one or several places; `anchor` is "" without a card (resolved)."""

    priority: str
    style: str
    where: str
    found: str
    state: str
    findings: int
    number: str
    anchor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ChangeGroup:
    title: str
    changes: tuple[Change, ...]
    findings: int
    left_out: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Trend:
    """A chart under the sentence that it shows."""

    caption: str
    chart: TrendChart
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFigure:
    where: str
    measure: str
    before: str
    now: str
    course: str
    spark: Spark


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckRow:
    check: str
    found: str
    level: str
    bar: Bar | None
    result: str
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemPage:
    anchor: str
    title: str
    kind: str
    facts: tuple[Pair, ...]
    totals: str
    rows: tuple[CheckRow, ...]
    named_only: int = 0  # checks that stand below the table, by name
    in_shared_rows: int = 0  # checks that share a row with another
    passed: str = ""
    not_applicable: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A link to a card."""

    number: str
    anchor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SystemLine:
    """A system without findings of its own, in the compact table; `shared` are its others'."""

    title: str
    kind: str
    system: str
    shared: tuple[Reference, ...]
    passed: int
    not_applicable: int
    not_checked: int
    clock: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A number in large print and what it is; `style` is "bad", "warn" or "plain"."""

    number: str
    label: str
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PriorityMark:
    priority: str
    style: str
    matters: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetAction:
    """What to do about one matter of a target, or about several that the same deed settles. A note has no
    card."""

    priority: str
    style: str
    action: str
    found: str
    state: str
    references: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessTable:
    """One of the largest tables; `near` says which limits it is near."""

    name: str
    rows: str
    size: str
    share: str
    bar: Share | None
    near: str


@dataclass(frozen=True, kw_only=True, slots=True)
class AccessPage:
    """An Access file for the practice manager (headline, figures, what to do) and for IS (the rest).

    `marks` are the priorities of what is to be done, with how many matters each has; `examined` is False
    where nothing of the file could be read: then there is but the headline and what was not checked.
    `tables_near`: one of the tables is near a limit.
    """

    anchor: str
    title: str
    kind: str
    examined: bool
    headline: str
    figures: tuple[Figure, ...]
    filling_caption: str
    filling: Filling | None
    filling_note: str
    growth: Trend | None
    growth_text: str
    marks: tuple[PriorityMark, ...]
    warning: str
    actions: tuple[TargetAction, ...]
    soundness: tuple[Pair, ...]
    tables: tuple[AccessTable, ...]
    tables_near: bool
    tables_note: str
    facts: tuple[Pair, ...]
    totals: str
    not_checked: tuple[Pair, ...]
    passed: str
    not_applicable: str
    # What the overview of several files says of this one.
    size: str
    bar: Bar | None
    sound: str
    sound_style: str
    users: str


@dataclass(frozen=True, kw_only=True, slots=True)
class RestoreRow:
    """Could this database be brought back? `style` is "ok", "bad", "warn" or "mute"; `lost` is "" where it is
    not known."""

    database: str
    answer: str
    style: str
    until: str
    lost: str
    place: str
    takes: str
    tried: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlDatabase:
    """`bar` is the part of `room` that is filled; `room` is what limits the database first."""

    name: str
    data: str
    log: str
    bar: Bar | None
    room: str
    a_month: str
    full_on: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlVolume:
    """`bar` is what is filled of it."""

    name: str
    free: str
    size: str
    bar: Bar | None
    full_on: str
    style: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement by its number: its text is never fetched. `change` is against the last visit."""

    name: str
    share: str
    bar: Share
    change: str
    remark: str


@dataclass(frozen=True, kw_only=True, slots=True)
class BlindSpot:
    """What a right of the check-up's login would open."""

    right: str
    checks: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Topic:
    """Some checks of one subject, with what each of them found."""

    title: str
    rows: tuple[CheckRow, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlPage:
    """A SQL instance for the practice manager (headline, figures, what to do, the back-up story) and for IS
    (the rest). `grants` are the statements that open the blind spots, in the order to run them; `login` is
    that of the check-up. `examined` is False where nothing could be judged.
    """

    anchor: str
    title: str
    kind: str
    examined: bool
    headline: str
    figures: tuple[Figure, ...]
    marks: tuple[PriorityMark, ...]
    actions: tuple[TargetAction, ...]
    restore_text: str
    restore: tuple[RestoreRow, ...]
    restore_answers: tuple[Pair, ...]
    restore_note: str
    growth: Trend | None
    growth_text: str
    databases: tuple[SqlDatabase, ...]
    with_logs: bool
    with_room: bool
    databases_note: str
    volumes: tuple[SqlVolume, ...]
    facts: tuple[Pair, ...]
    topics: tuple[Topic, ...]
    statements: tuple[Statement, ...]
    statements_note: str
    indexes: tuple[str, ...]
    blind_spots: tuple[BlindSpot, ...]
    grants: tuple[str, ...]
    grants_where: str
    totals: str
    not_checked: tuple[Pair, ...]
    passed: str
    not_applicable: str
    # What the overview of several instances says of this one.
    release: str
    size: str
    recoverable: str
    recoverable_style: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedCell:
    text: str
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedMachine:
    title: str
    cells: tuple[ComparedCell, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedTable:
    """`columns` are those in which machines differ; `alike` says what all of them have."""

    name: str
    columns: tuple[str, ...]
    machines: tuple[ComparedMachine, ...]
    compared: int
    alike: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class NotCheckedRow:
    where: str
    reason: str
    checks: str
    takes: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Reached:
    """How one endpoint was reached in one run."""

    endpoint: str
    way_in: str
    result: str
    when: str
    round_trip: str
    clock: str
    trust: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LevelRow:
    probe: str
    title: str
    defaults: str
    own: tuple[Pair, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerDay:
    date: str
    lines: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    title: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """`urgent` is the sentence in bold, "" when nothing is urgent."""

    opening: str
    urgent: str
    rest: str


@dataclass(frozen=True, kw_only=True, slots=True)
class TotalsView:
    planned: int
    passed: int
    findings: int
    not_applicable: int
    not_checked: int
    waived: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportView:
    """The whole report. `headings` holds the numbered heading of each section that is printed."""

    title: str
    site: str
    kind: str
    subtitle: str
    date: str
    created: str
    confidentiality: str
    tool: str
    author: str
    cover: tuple[Pair, ...]
    contacts: tuple[Pair, ...]
    headings: Mapping[str, str]
    with_contents: bool
    verdict: Verdict
    counts: tuple[PriorityCount, ...]
    before_and_now: Stacked
    before_and_now_caption: str
    actions: tuple[Card, ...]
    actions_left: int
    gaps: tuple[str, ...]
    totals: TotalsView
    compared_with: str
    changes: tuple[ChangeGroup, ...]
    trends: tuple[Trend, ...]
    key_figures: tuple[KeyFigure, ...]
    cards: tuple[Card, ...]
    notes: tuple[Note, ...]
    notes_left_out: int
    waived: tuple[WaivedRow, ...]
    access: tuple[AccessPage, ...]
    sql: tuple[SqlPage, ...]
    unused_waivers: tuple[str, ...]
    systems: tuple[SystemPage, ...]
    quiet_systems: tuple[SystemLine, ...]
    compared: tuple[ComparedTable, ...]
    not_checked: tuple[NotCheckedRow, ...]
    runs: tuple[str, ...]
    reached: tuple[Reached, ...]
    station: tuple[Pair, ...]
    unlinted: tuple[str, ...]
    levels: tuple[LevelRow, ...]
    ledger: tuple[LedgerDay, ...]
    ledger_entries: int
    ledger_left_out: int
    commands: tuple[Command, ...]
