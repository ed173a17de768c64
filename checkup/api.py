"""The only module a probe imports: facts, results, sections and probes.

A probe is a value. A loader finds it, so a probe's file has no decorator, no registration and no
side effect. See docs/writing-a-probe.md for a walk through one file.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

API_VERSION = 1

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]
Declared = int | str | tuple[str, ...]
F = TypeVar("F")
L = TypeVar("L")


# --- qualities and errors ---------------------------------------------------------------------


class Quality(StrEnum):
    """How good one section's facts are. A probe may say `Passed` only on `OK`."""

    OK = "ok"
    PARTIAL = "partial"
    DENIED = "denied"
    FILTERED = "filtered"
    TIMEOUT = "timeout"
    UNSUPPORTED = "unsupported"
    ABSENT = "absent"
    BAD_OUTPUT = "bad_output"
    UNREACHABLE = "unreachable"


class ErrorClass(StrEnum):
    """Why something could not be examined. Stable: report, exit status and JSON use these words."""

    UNREACHABLE = "unreachable"
    TLS = "tls"
    HOST_KEY = "host_key"
    IDENTITY = "identity"
    AUTH = "auth"
    DENIED = "denied"
    DISABLED = "disabled"
    QUOTA = "quota"
    TIMEOUT = "timeout"
    DROPPED = "dropped"
    BLOCKED_BY_AV = "blocked_by_av"
    CONSTRAINED = "constrained"
    BAD_OUTPUT = "bad_output"
    UNSUPPORTED = "unsupported"
    PROTOCOL = "protocol"
    OPTED_OUT = "opted_out"


class Visit(StrEnum):
    """The contractual check-ups, and the run that closes none of them."""

    THIRTY_DAY = "30-day"
    SIX_MONTH = "six-month"
    TUNE_UP = "tune-up"
    INTERIM = "interim"


ALL_VISITS = frozenset(Visit)


# --- typed values -----------------------------------------------------------------------------
# A result never carries a formatted string: the report formats, translates and rewords later.


@dataclass(frozen=True, slots=True)
class Bytes:
    value: int
    kind: Literal["bytes"] = "bytes"


@dataclass(frozen=True, slots=True)
class Ratio:
    """A share of a whole; 0.25 is printed as 25 %."""

    value: float
    kind: Literal["ratio"] = "ratio"


@dataclass(frozen=True, slots=True)
class Number:
    """A plain number; `unit` is what a reader sees after it ("per core", "errors/day")."""

    value: float
    unit: str = ""
    kind: Literal["number"] = "number"


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds."""

    value: float
    kind: Literal["duration"] = "duration"


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment, time zone included; printed in the site's own zone."""

    value: datetime
    kind: Literal["instant"] = "instant"

    def __post_init__(self) -> None:
        if self.value.tzinfo is None:
            raise ValueError("an Instant needs a time zone")


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    kind: Literal["text"] = "text"


Value = Bytes | Ratio | Number | Duration | Instant | Text
Measured = Bytes | Ratio | Number | Duration


# --- results ----------------------------------------------------------------------------------


class Impact(StrEnum):
    """What the client loses. The priority is made from it elsewhere, never by a probe."""

    DOWN = "down"
    MAJOR = "major"
    LIMITED = "limited"
    NOTE = "note"


class When(StrEnum):
    NOW = "now"
    BEFORE_NEXT_VISIT = "before-next-visit"
    LATER = "later"


class Worse(StrEnum):
    """The direction in which a measured value gets worse."""

    HIGHER = "higher"
    LOWER = "lower"


RECOVERABILITY = "recoverability"
SUPPORTABILITY = "supportability"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something wrong or risky.

    `item` is a stable key within the target ("" for the target as a whole): the finding's identity
    is (site, target, probe, item), never its wording. `message` names one of the probe's message
    templates, filled from `evidence`. At site scope `targets` names the machines it is about.
    `function` is the major function hit; left empty, the
    functions of the site file that need this target are meant. `value` and `worse`, where given,
    decide whether a finding that persists got worse, and whether it outgrew its waiver.
    """

    impact: Impact
    message: str
    item: str = ""
    function: str = ""
    when: When = When.BEFORE_NEXT_VISIT
    evidence: Mapping[str, Value] = field(default_factory=dict[str, Value])
    value: Measured | None = None
    worse: Worse | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Passed:
    item: str = ""
    evidence: Mapping[str, Value] = field(default_factory=dict[str, Value])


@dataclass(frozen=True, kw_only=True, slots=True)
class NotApplicable:
    reason: str
    item: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class NotChecked:
    """The probe saw that it could not judge. The engine makes most of these, not the author."""

    reason: str
    item: str = ""
    error: ErrorClass | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Metric:
    """A number worth remembering until the next visit. Not counted as a result.

    `limit` is the value at which something stops working, in the unit of the value; with it and
    three visits the report draws the trend.
    """

    name: str
    value: Measured
    item: str = ""
    limit: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Matrix:
    """A table for the report, of a site-scope check that compares machines: a row for each machine.

    `rows` holds by target id one text for each column; the report marks what differs from the
    column's most frequent text. Not counted as a result.
    """

    name: str
    columns: tuple[str, ...]
    rows: Mapping[str, tuple[str, ...]]


Result = Finding | Passed | NotApplicable | NotChecked | Metric | Matrix


# --- what a check is given --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One thing that is examined. `endpoint` is the machine or instance that serves it; `platform` is
    what runs there: "posix", "windows", or "" where that says nothing.

    Of an Access file also: `path` as the machine that owns the disk names it, `share` the place on a share by
    which it is reached, `host_role` the role of that machine, `copy_of` the file that it is a back-up of.
    """

    id: str
    kind: str = "host"
    endpoint: str = ""
    platform: str = ""
    title: str = ""
    role: str = ""
    tags: tuple[str, ...] = ()
    declare: Mapping[str, Declared] = field(default_factory=dict[str, Declared])
    path: str = ""
    share: str = ""
    host_role: str = ""
    copy_of: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """One remembered metric value."""

    at: datetime
    value: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """When a limit is reached at the growth seen: best guess and the range around it.

    A date is None where the limit is not reached within the horizon (ten years).
    `per_day` is the robust slope in units a day.
    """

    reached: datetime | None
    earliest: datetime | None
    latest: datetime | None
    per_day: float
    points: int
    span_days: float


@dataclass(frozen=True, slots=True)
class NotEnoughHistory:
    points: int
    needed: int


class Context(Protocol):
    """What a check may know beside its facts. Everything is handed in; nothing is looked up."""

    @property
    def target(self) -> Target: ...
    @property
    def now(self) -> datetime:
        """The clock of the analysis."""
        ...

    @property
    def collected_at(self) -> datetime:
        """When the facts were taken; ages of things on the target are counted from here."""
        ...

    @property
    def previous_at(self) -> datetime | None:
        """When the last comparable run took its facts; None at the first visit."""
        ...

    def history(self, metric: str, item: str = "") -> Sequence[Point]: ...

    def previous(self, facts: type[F]) -> F | None:
        """The same facts of the last comparable run, taken by the same method."""
        ...

    def forecast(
        self, metric: str, current: float, limit: float, item: str = ""
    ) -> Forecast | NotEnoughHistory: ...


class PerTarget(Mapping[str, F]):
    """Facts of every target that has them, by target id: the input of a site-scope check.

    `targets` says what is known of each of them beside its facts: role, tags, declarations.
    """

    def __init__(self, facts: Mapping[str, F], targets: Mapping[str, Target] | None = None) -> None:
        self._facts = dict(facts)
        self.targets: Mapping[str, Target] = targets or {name: Target(id=name) for name in self._facts}

    def __getitem__(self, target: str) -> F:
        return self._facts[target]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)


# --- sections ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shell:
    """A POSIX shell fragment that only reads, and prints text.

    It runs in a process of its own with an empty standard input. `absent`, `unsupported`, `denied`
    and `partial` (each with a reason) are there to say that the facts are not what they should be;
    parameters arrive as `$P_<name>` (a list: one value a line).
    """

    script: str
    timeout_s: int = 20


# What an account on Windows must be, the least first; and what a section costs the machine. Both are
# printed in the access request and in the report's annex.
Rights = Literal["user", "event-log-reader", "performance-monitor-user", "service-rights", "administrator"]
Cost = Literal["small", "medium", "large"]  # below 0.5 s, up to 5 s, more


@dataclass(frozen=True, slots=True)
class PowerShell:
    """A PowerShell fragment that only reads; what it outputs is the section's raw data.

    PowerShell 2.0 grammar, 7-bit ASCII, one statement a line. It runs in a runspace of its own with
    the functions of probes/powershell/lib.ps1; `Absent`, `Unsupported`, `Denied` (each with a reason)
    end it, `Partial` goes on. Parameters arrive as `$P.<name>`: an integer, a text, an array of texts;
    an instant is seconds since 1970. The output should be one hashtable (an object of the raw data)
    of null, booleans, numbers, texts, dates, arrays and further hashtables.
    """

    script: str
    timeout_s: int = 20
    rights: Rights = "user"
    cost: Cost = "small"


@dataclass(frozen=True, slots=True)
class WmiQuery:
    """SELECT properties FROM wmi_class [WHERE where], in a namespace of the machine.

    `optional`: not every Windows has this class; without it the raw data lacks the key.
    """

    wmi_class: str
    properties: tuple[str, ...]
    where: str = ""
    namespace: str = "root\\cimv2"
    optional: bool = False

    @property
    def wql(self) -> str:
        condition = f" WHERE {self.where}" if self.where else ""
        # WQL knows nothing but reading, and the parts are a probe's own constants, which the lint reads.
        return f"SELECT {', '.join(self.properties)} FROM {self.wmi_class}{condition}"  # noqa: S608


@dataclass(frozen=True, slots=True)
class Wmi:
    """Queries of Windows' management classes: part of the PowerShell batch, or asked one by one over
    WS-Management (or DCOM, from a neighbour) where a machine gives us no shell.

    Raw data: {class name: [{property: value}, ...]}. Over the batch values have their types, over
    WS-Management they are texts; dates are CIM texts (`20261120103000.000000-420`) in both; a property
    without a value is null. `sampled`: counters that `checkup sample` takes while people work.
    """

    queries: tuple[WmiQuery, ...]
    timeout_s: int = 20
    rights: Rights = "user"
    cost: Cost = "small"
    sampled: bool = False


# How deep an Access file is looked into, the cheapest first. From `sample` on, pages with the values of
# rows are read; they are looked at in memory and never kept.
Depth = Literal["header", "catalogue", "maps", "sample", "index", "pages", "rows"]


@dataclass(frozen=True, slots=True)
class AccessFile:
    """Parts of what the reader of Access files makes of one file, looked into at least to `depth`.

    All sections of a file are cut from one reading, as deep as the deepest of them asks. Raw data:
    {part: the reader's own structure}, without any value of anyone's rows.
    """

    parts: tuple[str, ...]
    depth: Depth = "header"


@dataclass(frozen=True, slots=True)
class Psutil:
    """A function for the local machine that may call nothing but psutil; returns plain JSON data."""

    read: Callable[[], JSON]


@dataclass(frozen=True, slots=True)
class Connection:
    """The connection's own facts: round trip, clock offset, fingerprint, error class.

    Always there, reached or not: a machine that could not be reached is a fact too.
    """


# Where a section's rows come from: the instance as a whole, or each of its databases in turn.
SqlScope = Literal["server", "database"]


@dataclass(frozen=True, slots=True)
class SqlVariant:
    """One statement that only reads, for the versions and editions that it fits.

    It projects the fields of the section's row class, by name and in order. `reads` are the objects it
    names (`sys.databases`, `msdb.dbo.backupset`); `needs` are objects or columns that are asked for
    before it is sent, because the version alone does not tell (`sys.dm_os_host_info`,
    `sys.dm_server_services.instant_file_initialization_enabled`); `rights` are all that the login must
    hold, in the words of the engine's own GRANT. Versions compare as tuples; `before` is the first that
    it no longer fits. `editions` are those that have what it reads (`standard`, `enterprise`), none for
    all.
    """

    text: str
    reads: tuple[str, ...]
    since: tuple[int, ...] = ()
    before: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    editions: tuple[str, ...] = ()
    rights: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Keep:
    """Which rows of an answer are kept: those where the whole text of `column`, without the spaces around
    it, matches the regular expression `pattern`. For procedures of a server that may hand out more."""

    column: str
    pattern: str

    def __post_init__(self) -> None:
        re.compile(self.pattern)


@dataclass(frozen=True, slots=True)
class Sql:
    """What one SQL engine is asked; the first variant that fits is sent.

    `row` is a frozen dataclass whose fields are the columns: `str`, `int`, `float`, `bool`, `datetime`
    (UTC), each with `| None` where the server may say NULL; the unit is in the name (`free_bytes`). At
    database scope its first field is `database: str`. `canary` is a second statement of one row and one
    integer, other than 0 where the engine has left rows out without a word for want of a right.
    `cost`: small reads what lies in memory, medium reads catalogues of each database, large reads pages
    of tables or indexes and is sent only with `--deep`. `sampled`: counters of the instance, or what holds
    it up at the moment, which `checkup sample` takes again and again while people work. `keep`: all other
    rows are dropped before anything is stored.

    Raw data: {"server": {...}, "variant": number, "rows": [{column: value}, ...], "missing": {database:
    {"reason", "error"}}}, moments as ISO 8601 in UTC.
    """

    variants: tuple[SqlVariant, ...]
    row: type[Any]
    scope: SqlScope = "server"
    canary: str = ""
    most_rows: int = 500
    timeout_s: int = 15
    cost: Cost = "small"
    sampled: bool = False
    keep: Keep | None = None

    def __post_init__(self) -> None:
        if self.keep and self.keep.column not in {field.name for field in dataclasses.fields(self.row)}:
            raise ValueError(f"{self.row.__name__} has no column {self.keep.column} to keep rows by")


@dataclass(frozen=True, slots=True)
class Sampled:
    """What `checkup sample` took of another section, at even intervals while people worked.

    `of` names that section, of which a collector is `sampled`. An ordinary run asks nothing for it.

    Raw data: {"samples": [{"at", "source", "version", "raw"}, ...], "missed": number}, the earliest first,
    `raw` as that section's own collector gave it; `missed` samples brought nothing.
    """

    of: str


Collector = Shell | PowerShell | Wmi | AccessFile | Sql | Psutil | Connection | Sampled

# "cim" is what a Windows machine is asked where it gives us no shell. A section whose "windows"
# collector is `Wmi` need not name it: the same queries are asked.
Source = Literal[
    "posix",
    "windows",
    "cim",
    "access",
    "sqlserver",
    "postgresql",
    "mariadb",
    "local",
    "connection",
    "sampled",
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a collector needs to know. `since` is filled with the last visit's time; every other
    parameter comes from the target's `declare:` in the site file, never from this run's facts."""

    kind: Literal["integer", "instant", "text", "texts"]
    default: Declared | None = None
    doc: str = ""


@dataclass(frozen=True, kw_only=True)
class Section(Generic[F]):
    """One named group of facts, with how to collect it and how to read it.

    `parse(raw, source, version)` is pure, raises ValueError (or any lookup error) on what it cannot
    read, and reads every version it ever shipped. `raw` is text for a shell fragment, JSON data for
    everything else. `privacy` says in a few words what leaves the machine.
    """

    name: str
    facts: type[F]
    collect: Mapping[Source, Collector]
    parse: Callable[[JSON, str, int], F]
    version: int = 1
    parameters: Mapping[str, Parameter] = field(default_factory=dict[str, Parameter])
    privacy: str = "no names, no contents"


# --- facts of SQL back ends -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class SqlServer:
    """The instance that answered. `version` compares as a tuple: (15, 0, 4430, 1), (15, 18), (10, 11, 19).

    `edition` is "express", "web", "standard", "enterprise", "developer" or "evaluation" (SQL Server),
    "mariadb" or "mysql", else "". `started_at` is None where the login may not know. Counters since the
    start say little about an instance that was started yesterday: see `up_s`.
    """

    engine: str
    version: tuple[int, ...]
    edition: str
    platform: str  # "windows", "linux" or ""
    asked_at: datetime
    started_at: datetime | None = None

    @property
    def up_s(self) -> float | None:
        return (self.asked_at - self.started_at).total_seconds() if self.started_at else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """A database that could not be looked into."""

    reason: str
    error: ErrorClass | None = None


R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class SqlFacts(Generic[R]):
    """The rows of one section. A section's own facts are a subclass without further fields.

    The engine itself makes "not checked" of each database in `missing`, and of a pass for the instance
    as a whole where any is missing.
    """

    rows: tuple[R, ...]
    server: SqlServer
    missing: Mapping[str, Missing] = field(default_factory=dict[str, Missing])


# --- probes -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NoLevels:
    """For a probe without thresholds."""


class Scope(StrEnum):
    TARGET = "target"
    SITE = "site"


@dataclass(frozen=True, kw_only=True)
class Probe(Generic[L]):
    """One question, asked of every target of its kinds.

    `title` states the good state. `check(facts, levels, ctx)` is a pure generator; the type of its
    first parameter names the facts it needs: one fact type, a frozen dataclass of several (`X |
    None` for one it can do without), or `PerTarget[X]` at site scope. With `roles`, a machine to which
    the site file gives another role is not asked. `messages` are templates by
    id with {named} values from the evidence, `{item}` and `{target}`; `levels` are the defaults.
    """

    id: str
    title: str
    check: Callable[[Any, L, Context], Iterator[Result]]
    messages: Mapping[str, str]
    why: str
    remedy: str
    verify: str
    levels: L
    visits: frozenset[Visit] = ALL_VISITS
    scope: Scope = Scope.TARGET
    kind: str = "host"
    roles: frozenset[str] = frozenset()
    rights: str = "an ordinary account"
    references: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    api: ClassVar[int] = API_VERSION


# --- judging one value ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """At or beyond `limit` the impact is this. Give the worst step first."""

    limit: float
    impact: Impact
    when: When = When.BEFORE_NEXT_VISIT
    message: str = ""


def judge(
    metric: str,
    value: Measured,
    steps: Sequence[Step],
    *,
    worse: Worse,
    message: str,
    item: str = "",
    function: str = "",
    evidence: Mapping[str, Value] | None = None,
) -> Iterator[Result]:
    """One measured value against its levels: yields the metric, then a finding or a pass.

    The evidence gains the value under the metric's name and the limit that was crossed (or the
    first that was not) as `limit`, in the unit of the value.
    """
    yield Metric(name=metric, value=value, item=item)
    sign = 1 if worse is Worse.HIGHER else -1
    hit = next((step for step in steps if sign * value.value >= sign * step.limit), None)
    shown = {metric: value, **(evidence or {})}
    limit = hit.limit if hit else (steps[-1].limit if steps else None)
    if limit is not None:
        shown["limit"] = dataclasses.replace(value, value=type(value.value)(limit))
    if hit is None:
        yield Passed(item=item, evidence=shown)
        return
    yield Finding(
        impact=hit.impact,
        when=hit.when,
        message=hit.message or message,
        item=item,
        function=function,
        evidence=shown,
        value=value,
        worse=worse,
    )
