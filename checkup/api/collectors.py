"""How facts are collected: data that says what is run, asked or read. For SQL engines see `sql`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


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


@dataclass(frozen=True, slots=True)
class Sampled:
    """What `checkup sample` took of another section, at even intervals while people worked.

    `of` names that section, of which a collector is `sampled`. An ordinary run asks nothing for it.

    Raw data: {"samples": [{"at", "source", "version", "raw"}, ...], "missed": number}, the earliest first,
    `raw` as that section's own collector gave it; `missed` samples brought nothing.
    """

    of: str
