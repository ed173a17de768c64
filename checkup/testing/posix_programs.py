"""The programs that a shell fragment may run, and how. What is not listed here is refused.

`ANY`: the program has no option that writes, runs something else or signals; its arguments are free.
Everything else names each option allowed. A word that is only known on the client's machine counts as an
option unless it is quoted and follows an option that takes a value, or `--`, or begins with known text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from checkup.testing.awk_lint import awk_problems


@dataclass(frozen=True, slots=True)
class Word:
    """One argument: its text up to the first expansion, and whether that is all of it."""

    start: str
    whole: bool
    quoted: bool = True

    @property
    def known_start(self) -> bool:
        """No expansion can make this an option or a second word."""
        return self.whole or (bool(self.start) and self.start[0] not in "-*?[$" and self.quoted)


Rule = Callable[[Sequence[Word]], str]
NO_SUCH_WORD = "cannot see what this word will be: quote it, and put it behind `--` or known text"


def any_arguments(words: Sequence[Word]) -> str:
    return ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Allowed options (`flags` alone, `valued` with a value), which must be there, and the operands.

    `actions`: the first operand must be one of these. `operands`: what other operands must match.
    """

    flags: frozenset[str] = frozenset()
    valued: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    actions: frozenset[str] = frozenset()
    operands: re.Pattern[str] | None = None
    clusters: str = ""  # single letters that may be written together
    values: dict[str, re.Pattern[str]] = field(default_factory=dict[str, re.Pattern[str]])

    def __call__(self, words: Sequence[Word]) -> str:
        seen: set[str] = set()
        operands: list[Word] = []
        rest = iter(words)
        for word in rest:
            if word.whole and word.start == "--":
                operands += rest
                break
            if not word.known_start:
                return NO_SUCH_WORD
            if not word.start.startswith("-") or word.start == "-":
                operands.append(word)
                continue
            name, equals, value = word.start.partition("=")
            if (
                not equals
                and word.start[1:2] != "-"
                and word.start[:2] in self.valued
                and len(word.start) > 2
            ):
                name, equals, value = word.start[:2], "=", word.start[2:]
            if name in self.valued:
                given = Word(value, word.whole, word.quoted) if equals else next(rest, None)
                if given is None:
                    return f"option {name} lacks its value"
                if problem := self._value_problem(name, given):
                    return problem
            elif not (word.start in self.flags or self._is_cluster(word.start)):
                return f"option {word.start} is not on the list of options that only read"
            seen.add(name)
        if self.required and not self.required & seen:
            return f"needs {' or '.join(sorted(self.required))}"
        return self._operand_problem(operands)

    def _is_cluster(self, text: str) -> bool:
        return bool(self.clusters) and len(text) > 1 and set(text[1:]) <= set(self.clusters)

    def _value_problem(self, name: str, value: Word) -> str:
        allowed = self.values.get(name)
        if allowed and not (value.whole and allowed.fullmatch(value.start)):
            return f"value {value.start!r} of {name} is not on the list"
        return "" if value.quoted or value.whole else NO_SUCH_WORD

    def _operand_problem(self, operands: Sequence[Word]) -> str:
        rest = list(operands)
        if self.actions:
            first = rest.pop(0) if rest else Word("", True)
            if not (first.whole and first.start in self.actions):
                return f"{first.start!r} is not one of: {', '.join(sorted(self.actions))}"
        if self.operands:
            for one in rest:
                if not (one.whole and self.operands.fullmatch(one.start)):
                    return f"operand {one.start!r} is not on the list of those that only read"
        return ""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


NOTHING = re.compile(r"(?!)")


def awk(given: Sequence[Word]) -> str:
    """`awk [-F x] [-v name=value] 'program' file...`; the program is read too."""
    rest = list(given)
    while rest and rest[0].start.startswith("-"):
        option = rest.pop(0)
        if option.start[:2] not in ("-F", "-v"):
            return f"option {option.start} is not on the list of options that only read"
        if option.start in ("-F", "-v") and option.whole and rest:
            value = rest.pop(0)
            if not value.whole and not value.quoted:
                return NO_SUCH_WORD
        elif not option.whole and not option.quoted:
            return NO_SUCH_WORD
    if not rest or not rest[0].whole:
        return "the program must stand in the script in single quotes"
    if any(word.start.startswith("-") or not word.known_start for word in rest[1:]):
        return NO_SUCH_WORD
    return "; ".join(awk_problems(rest[0].start))


# Commands of sed that only edit what flows through: substitute, print, delete, quit, line number.
SED_ADDRESS = r"(?:\d+|\$|/(?:[^/\\\n]|\\.)*/)"
SED_SUBSTITUTE = (
    r"s(?P<mark>[/|,#:])(?:(?!(?P=mark))[^\\\n]|\\.)*(?P=mark)(?:(?!(?P=mark))[^\\\n]|\\.)*(?P=mark)[gpI0-9]*"
)
SED_COMMAND = re.compile(
    rf"\s*(?:{SED_ADDRESS}(?:,{SED_ADDRESS})?)?\s*!?\s*(?:{SED_SUBSTITUTE}|[pdq=])\s*(?:[;\n]|$)"
)


def sed(given: Sequence[Word]) -> str:
    """`sed [-n] [-E] 'script' file...` with substitutions, p, d, q and = only."""
    rest = list(given)
    while rest and rest[0].whole and rest[0].start in ("-n", "-E", "-r", "-nE", "-nr"):
        rest.pop(0)
    if rest and rest[0].whole and rest[0].start == "-e":
        rest.pop(0)
    if not rest or not rest[0].whole or rest[0].start.startswith("-"):
        return "only -n, -E and one script in single quotes are on the list"
    script, place = rest.pop(0).start, 0
    while place < len(script):
        match = SED_COMMAND.match(script, place)
        if match is None:
            return f"the sed command at {script[place : place + 20]!r} is not one of s, p, d, q, ="
        place = match.end()
    if any(word.start.startswith("-") or not word.known_start for word in rest):
        return NO_SUCH_WORD
    return ""


def find(given: Sequence[Word]) -> str:
    """`find` with tests only: nothing that deletes, runs or writes."""
    allowed = words(
        "-H -L -P -name -iname -path -type -mtime -mmin -newer -size -maxdepth -mindepth -xdev -print"
    )
    allowed |= words(
        "-perm -user -group -prune -o -a -not -empty -printf -links -samefile -inum -mount -print0"
    )
    for word in given:
        if not word.known_start:
            return NO_SUCH_WORD
        if word.start.startswith("-") and not (word.start in allowed or re.fullmatch(r"-\d+", word.start)):
            return f"{word.start} is not on the list of find's tests"
    return ""


def date(given: Sequence[Word]) -> str:
    """Only to print: an operand without `+` would set the clock."""
    rest = list(given)
    while rest:
        word = rest.pop(0)
        if word.whole and word.start == "-u":
            continue
        if word.whole and word.start in ("-d", "-r") and rest:
            rest.pop(0)
            continue
        if not word.start.startswith("+"):
            return "may only print: -u, -d, -r and +FORMAT"
    return ""


def command(given: Sequence[Word]) -> str:
    first = given[0] if given else Word("", True)
    return "" if first.whole and first.start == "-v" else "only `command -v NAME` is on the list"


def set_words(given: Sequence[Word]) -> str:
    first = given[0].start if given else ""
    allowed = first in ("--", "-f", "+f", "-u", "+u")
    return "" if allowed else "only `set -- …`, `set -f` and `set -u` are on the list"


def read(given: Sequence[Word]) -> str:
    options = [word for word in given if word.start.startswith("-") and word.start != "-r"]
    return "only `read -r NAME…` is on the list" if options else ""


def printf(given: Sequence[Word]) -> str:
    """`printf -v NAME` would set a variable in bash."""
    known = given and given[0].known_start and not given[0].start.startswith("-")
    return "" if known else "the format must be known"


def ps(given: Sequence[Word]) -> str:
    columns = re.compile(r"(pid|ppid|user|uid|comm|etimes|rss|vsz|pcpu|pmem|stat|nlwp|ni|pri|=|,)+")
    rule = Options(flags=words("-e -A"), valued=words("-o -eo -p -C"), values={"-o": columns, "-eo": columns})
    return rule(given)


ALL_COLUMNS = re.compile(r"[A-Za-z0-9_,%=+-]+")

PROGRAMS: dict[str, Rule] = {
    # the shell's own
    **dict.fromkeys(
        words(": true false echo test [ exit return break continue shift cd pwd type"),
        any_arguments,
    ),
    "set": set_words,
    "read": read,
    "printf": printf,
    "command": command,
    # the fragment's own words, from the batch's prologue
    **dict.fromkeys(words("absent unsupported denied partial"), any_arguments),
    # programs without any option that writes
    **dict.fromkeys(
        words("cat cut head tail tr wc grep egrep uname id getent stat ls readlink basename"), any_arguments
    ),
    **dict.fromkeys(
        words("dirname df free nproc uptime who expr seq sha256sum md5sum cksum rev nl"), any_arguments
    ),
    "awk": awk,
    "sed": sed,
    "find": find,
    "date": date,
    "ps": ps,
    "hostname": Options(flags=words("-s -f -i -I"), operands=NOTHING),
    "sort": Options(clusters="nrubfVsh", valued=words("-k -t")),
    "uniq": Options(clusters="cdui", operands=NOTHING),
    "lsblk": Options(clusters="bdnPrJp", valued=words("-o"), values={"-o": ALL_COLUMNS}),
    "dmesg": Options(clusters="rxtk", valued=words("-l -f --level --facility")),
    "last": Options(clusters="xFRwa", valued=words("-n -f --since"), flags=words("--time-format=iso")),
    "ss": Options(clusters="HlntuaxpeoiSw46", operands=NOTHING),
    "netstat": Options(clusters="lntuap46"),
    "ip": Options(
        flags=words("-s -o -4 -6 -br -d"),
        actions=words("link addr address route neigh"),
        operands=re.compile("show|list"),
    ),
    "ethtool": Options(operands=re.compile(r"[a-z0-9]+")),
    "systemctl": Options(
        flags=words("--no-pager --no-legend --plain --all --failed --full --quiet -q --value --user"),
        valued=words("--state --type --property -p --output -o"),
        actions=words("list-units list-unit-files list-timers show is-active is-enabled is-failed")
        | words("is-system-running get-default"),
    ),
    "journalctl": Options(
        flags=words("--no-pager --list-boots -q --quiet -k --utc --header --disk-usage --no-hostname"),
        valued=words(
            "-p -b -n -o -u -t -S -U --since --until --priority --unit --output --output-fields -g --grep -F"
        ),
        clusters="qkr",
        operands=re.compile(r"[A-Z_]+=[\w.@-]+"),
    ),
    "timedatectl": Options(
        flags=words("--no-pager --value"),
        valued=words("-p --property"),
        actions=words("show status show-timesync"),
    ),
    "chronyc": Options(
        clusters="nc", actions=words("tracking sources sourcestats activity"), operands=NOTHING
    ),
    "ntpq": Options(
        clusters="pn", valued=words("-c"), values={"-c": re.compile("rv|peers|as")}, operands=NOTHING
    ),
    "openssl": Options(
        flags=words("-noout -enddate -startdate -dates -subject -issuer -serial -fingerprint -sha256"),
        valued=words("-in -inform -checkend -nameopt"),
        actions=words("x509 version"),
        operands=NOTHING,
    ),
    "dpkg-query": Options(clusters="W", valued=words("-f --showformat"), required=words("-W")),
    "apt-get": Options(
        flags=words("-s -q -qq --simulate"),
        valued=words("-o"),
        required=words("-s --simulate"),
        actions=words("upgrade dist-upgrade"),
        operands=NOTHING,
        values={"-o": re.compile(r"Debug::NoLocking=(true|1)|Dir::Cache::(src)?pkgcache=")},
    ),
    "apt": Options(flags=words("--upgradable --installed -qq"), actions=words("list")),
    "apk": Options(clusters="vq", valued=words("-l"), actions=words("version info"), operands=NOTHING),
    "rpm": Options(
        clusters="qa", valued=words("--qf --queryformat"), flags=words("--last"), required=words("-q -qa")
    ),
    "smartctl": Options(
        clusters="HAij",
        flags=words("--json --json=c --scan"),
        valued=words("-d -n"),
        values={"-d": re.compile(r"[a-z0-9,+]+"), "-n": re.compile(r"(standby|idle|sleep)(,\d+)?")},
    ),
    "mokutil": Options(flags=words("--sb-state"), required=words("--sb-state")),
    "systemd-detect-virt": Options(flags=words("-q -c -v"), operands=NOTHING),
}
