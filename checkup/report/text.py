"""From typed values and foreign text to what is printed: bounded, cleaned, with its unit.

Number and unit are joined by a no-break space, so that "100 GB" never breaks over two lines.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from checkup.api import Bytes, Day, Duration, Instant, Number, Ratio, Text, Value

NBSP = "\u00a0"
BREAK = "\u200b"  # a place where a line may end, invisible elsewhere

LONGEST_TEXT = 2000
LONGEST_VALUE = 300
LONGEST_BLOCK = 20_000
LONGEST_TOKEN = 40  # line breaking is quadratic in the length of a word

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

# What the bundled fonts draw, without what is invisible, changes direction or piles up on its
# neighbour. Everything else is printed by its code point: ugly, but exact, and it cannot disguise.
_FOREIGN = re.compile(
    "[^\u0020-\u007e\u00a0-\u00ac\u00ae-\u02e9\u0370-\u0377\u037a-\u037e\u0384-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u0482\u048a-\u0525\u1e00-\u1efb\u2010-\u2027\u2030-\u205e\u2070\u2071\u2074-\u208e"
    "\u20a0-\u20b5\u20b8-\u20ba\u20bd\u2100-\u2109\u210b-\u2149\u2150-\u2185\u2190-\u2311\u23ce"
    "\u2500-\u269c\u2701-\u2704\u2713-\u2727]"
)
_PARTIAL_ESCAPE = re.compile(r"‹[^›]{0,8}\Z")
_LONG_TOKEN = re.compile(rf"\S{{{LONGEST_TOKEN + 1},}}")
_FIELD = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


# --- foreign text ---------------------------------------------------------------------------------


def clean(text: str, limit: int = LONGEST_TEXT) -> str:
    """One line of text that is safe to print, whatever it was.

    What the fonts lack, control characters, half surrogates and changes of direction become
    visible (‹U+202E›); a longer text than `limit` is cut, and says so; long words get break places.
    """
    line = re.sub(r"\r\n|[\r\n]", " ⏎ ", text[: limit + 1].strip()).replace("\t", " ")
    shown = _cut(_visible(line), limit, more=len(text) > limit + 1)
    return _breakable(shown)


def prose(text: str) -> str:
    """A probe's own text: written for terminals and Markdown too, so its backticks go."""
    return clean(text).replace("`", "")


def clean_block(text: str, limit: int = LONGEST_BLOCK) -> str:
    """As `clean`, for preformatted text of several lines: line ends and indents stay."""
    block = text[: limit + 1].replace("\r\n", "\n").replace("\t", "    ").strip("\n")
    shown = "\n".join(_visible(line.rstrip()) for line in block.split("\n"))
    return _breakable(_cut(shown, limit, more=len(text) > limit + 1))


def escaped(character: str) -> str:
    return f"‹U+{ord(character):04X}›"


def _visible(text: str) -> str:
    return _FOREIGN.sub(lambda match: escaped(match[0]), unicodedata.normalize("NFC", text))


def _cut(text: str, limit: int, *, more: bool) -> str:
    if len(text) <= limit and not more:
        return text
    return _PARTIAL_ESCAPE.sub("", text[:limit]) + " (cut; full text in checkup.json)"


def _breakable(text: str) -> str:
    return _LONG_TOKEN.sub(lambda match: BREAK.join(_pieces(match[0])), text)


def _pieces(token: str) -> list[str]:
    return [token[start : start + LONGEST_TOKEN] for start in range(0, len(token), LONGEST_TOKEN)]


def fill(template: str, values: Mapping[str, str]) -> str:
    """A message template with its plain {named} fields filled; a missing one is a visible "?".

    Not `str.format`: a template may come from a third party, and a value from a client's machine.
    """
    # The values were cleaned: the only invisible character left in them is our own.
    return clean(_FIELD.sub(lambda match: values.get(match[1], "?").replace(BREAK, ""), template))


# --- numbers --------------------------------------------------------------------------------------


def significant(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, thousands apart, without needless zeros."""
    if not math.isfinite(value):
        return "unknown"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    rounded = f"{value:,.{min(decimals, 12)}f}"
    return rounded.rstrip("0").rstrip(".") if "." in rounded else rounded


def capital(text: str) -> str:
    """The same with its first letter large."""
    return text[:1].upper() + text[1:]


_PROPER_NAMES = frozenset({"Windows", "Microsoft", "Access"})


def within_sentence(text: str) -> str:
    """The same with its first letter small, but for a name: "PostgreSQL", "ODBC", "Windows"."""
    first = text.split(maxsplit=1)[0] if text.strip() else ""
    named = first in _PROPER_NAMES or any(letter.isupper() for letter in first[1:])
    return text if named else text[:1].lower() + text[1:]


def and_so_on(names: Sequence[str], most: int) -> str:
    """ "A, B and C"; "A, B and 7 more" where there are more than `most`."""
    shown = [*names] if len(names) <= most else [*names[:most], f"{len(names) - most} more"]
    *first, last = shown
    return f"{', '.join(first)} and {last}" if first else last


def count(number: int, one: str, many: str = "") -> str:
    """ "1 check", "2 checks"; `many` where the plural is not just an s."""
    return f"{number:,}{NBSP}{one if number == 1 else many or one + 's'}"


def bytes_text(value: float) -> str:
    """As Windows and `df -h` count: 1 GB = 1024 MB."""
    size, unit = byte_unit(value)
    return f"{significant(value / size)}{NBSP}{unit}"


def byte_unit(value: float) -> tuple[int, str]:
    """The unit that `value` is best printed in, and its size in bytes."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "KB")):
        if abs(value) >= 1024**power * 0.9995:
            return 1024**power, unit
    return 1, "bytes"


def ratio_text(value: float) -> str:
    """In percent. 99.96 % is never rounded up to 100 %, nor a trace down to nothing."""
    percent = value * 100
    if not math.isfinite(percent):
        return "unknown"
    decimals = 0 if 10 <= abs(percent) < 99 or abs(percent) >= 100 or percent == 0 else 1
    shown = f"{percent:.{decimals}f}"
    if percent < 100 and shown in {"100", "100.0"}:
        shown = "99.9"
    if percent != 0 and float(shown) == 0:
        shown = significant(percent, 1)
    return f"{shown.removesuffix('.0')}{NBSP}%"


# Beyond two years nobody counts in days.
DAYS_SAID = 730


def duration_text(seconds: float) -> str:
    """The two largest units that matter: "3 days", "2 h 5 min", "45 s", "12 ms"."""
    if not math.isfinite(seconds):
        return "unknown"
    sign, seconds = ("−" if seconds < 0 else ""), abs(seconds)
    if seconds < 1:
        return f"{sign}{significant(seconds * 1000, 2)}{NBSP}ms" if seconds else f"0{NBSP}s"
    if seconds < 60:
        return f"{sign}{significant(seconds, 2)}{NBSP}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{sign}{minutes}{NBSP}min"
    if minutes < 48 * 60:
        hours, minutes = divmod(minutes, 60)
        return f"{sign}{hours}{NBSP}h" + (f"{NBSP}{minutes}{NBSP}min" if minutes else "")
    days = round(seconds / 86400)
    if days <= DAYS_SAID:
        return f"{sign}{count(days, 'day')}"
    return f"{sign}{days / 365.25:.1f}{NBSP}years"


def number_text(value: float, unit: str = "") -> str:
    shown = f"{value:,.0f}" if math.isfinite(value) and value == round(value) else significant(value)
    return f"{shown}{NBSP}{clean(unit, 60)}" if unit else shown


# --- moments and values ---------------------------------------------------------------------------


def day(when: date) -> str:
    return f"{when.day}{NBSP}{MONTHS[when.month - 1]}{NBSP}{when.year}"


@dataclass(frozen=True, slots=True)
class Formats:
    """How this report prints: the site's time zone, and the moment of the analysis."""

    zone: tzinfo
    now: datetime

    def date(self, at: datetime) -> str:
        return day(self._local(at))

    def time(self, at: datetime) -> str:
        return f"{self._local(at):%H:%M:%S}"

    def moment(self, at: datetime) -> str:
        """Date, time and the name of the zone."""
        local = self._local(at)
        return f"{self.date(at)}, {local:%H:%M}{NBSP}{local.tzname() or 'UTC'}"

    def instant(self, at: datetime) -> str:
        """With the time only where it matters: within two weeks of the analysis."""
        return self.moment(at) if abs(at - self.now) <= timedelta(days=14) else self.date(at)

    def value(self, value: Value) -> str:
        match value:
            case Bytes():
                return bytes_text(value.value)
            case Ratio():
                return ratio_text(value.value)
            case Number():
                return number_text(value.value, value.unit)
            case Duration():
                return duration_text(value.value)
            case Instant():
                return self.instant(value.value)
            case Day():
                return day(value.value)
            case Text():
                return clean(value.value, LONGEST_VALUE)

    def _local(self, at: datetime) -> datetime:
        try:
            return at.astimezone(self.zone)
        except (OverflowError, ValueError):  # the first and the last day there is
            return at
