"""How many errors the system log holds, by program. Never their texts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from checkup.api import (
    JSON,
    Context,
    Finding,
    Impact,
    Metric,
    NotChecked,
    Number,
    Parameter,
    Passed,
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Text,
    Value,
    When,
    Worse,
)
from probes.windows.rows import Row, flag, instant, number, rows, text


@dataclass(frozen=True, slots=True)
class LogErrors:
    """Errors by program; `severe` are those of priority critical and above. `method` tells the log:
    the journal and the logs of Windows know priorities, a plain file is searched for the words of an error.

    `begins_at` is the oldest entry of a log that forgets, `warnings` what Windows calls so.
    """

    method: str
    errors: tuple[tuple[str, int], ...]
    severe: int
    capped: bool
    begins_at: datetime | None = None
    warnings: int = 0


# Counted on the machine: a name and a number a line come back. At most 20 000 entries are looked at.
POSIX = """
newest=
if command -v journalctl >/dev/null && { [ -d /var/log/journal ] || [ -d /run/log/journal ]; }; then
  case " $(id -Gn) " in
    *" root "*|*" adm "*|*" systemd-journal "*|*" wheel "*) ;;
    *) denied "the journal: the account is in none of the groups adm, systemd-journal, wheel" ;;
  esac
  newest=$(journalctl -q --no-pager -n 1 -o short 2>/dev/null)
fi
if [ -n "$newest" ]; then
  [ "${P_since:-0}" -gt 0 ] && since="@$P_since" || since="-30 days"
  echo "method journal"
  journalctl -q --no-pager -o short -p err -n 20000 --since "$since" | awk '/^[A-Z]/ {
      name = $5; sub(/[[(:].*/, "", name); if (name !~ /^[A-Za-z0-9_.@+-]+$/) name = "(other)"
      n[name]++; all++ }
    END { for (k in n) print "errors " n[k] " " k; print "all " all + 0 }'
  journalctl -q --no-pager -o short -p crit -n 20000 --since "$since" |
    awk '/^[A-Z]/ { n++ } END { print "severe " n + 0 }'
  exit 0
fi
for file in /var/log/syslog /var/log/messages; do
  [ -e "$file" ] || continue
  [ -r "$file" ] || denied "$file"
  echo "method file"
  tail -n 20000 "$file" | awk 'tolower($0) ~ /(error|fail|critical|panic)/ {
      name = ($1 ~ /^[0-9]+-/) ? $3 : $5; sub(/[[(:].*/, "", name)
      if (name !~ /^[A-Za-z0-9_.@+-]+$/) name = "(other)"
      n[name]++ }
    END { for (k in n) print "errors " n[k] " " k; print "severe 0"; print "all " NR }'
  exit 0
done
absent "no entries in a journal and no system log file"
"""

# Levels 1 (critical), 2 (error) and 3 (warning) of the event logs (winmeta.xml). A log that may not be
# read ends the section as denied: a query with conditions would find "no events" in it.
WINDOWS = """
$since = [long] $P.since
$now = ([System.DateTime]::UtcNow - (New-Object System.DateTime(1970, 1, 1))).TotalSeconds
if ($since -le 0) {
  $since = [long] ($now - 30 * 86400)
}
$logs = @()
foreach ($name in 'System', 'Application') {
  $log = Events -Log $name -Since $since -Filter '(Level=1 or Level=2 or Level=3)'
  if ($null -eq $log['oldest']) {
    Partial ('the log ' + $name + ' is empty')
  } else {
    $begins = ($log['oldest'].ToUniversalTime() - (New-Object System.DateTime(1970, 1, 1))).TotalSeconds
    if ($begins -gt $since + 3600) {
      Partial ('the log ' + $name + ' does not reach back to the last visit')
    }
  }
  $logs += $log
}
@{ 'logs' = $logs }
"""

CRITICAL, ERROR, WARNING = 1, 2, 3

# Events that say nothing is wrong, or that another probe reports.
NO_ERRORS = {
    # learn.microsoft.com, troubleshoot/windows-client: "DCOM event ID 10016 is logged" by design
    ("microsoft-windows-distributedcom", 10016),
    ("microsoft-windows-kernel-power", 41),  # host.restarts
}

CAP = 20000
NAME = re.compile(r"^errors (\d{1,9}) ([\w.@+()-]{1,60})$", re.M | re.A)


def parse(raw: JSON, source: str, version: int) -> LogErrors:
    return _event_logs(raw) if source == "windows" else _posix_log(str(raw))


def _posix_log(said: str) -> LogErrors:
    method = re.search(r"^method (journal|file)$", said, re.M)
    severe = re.search(r"^severe (\d{1,9})$", said, re.M | re.A)
    looked_at = re.search(r"^all (\d{1,9})$", said, re.M | re.A)
    if not (method and severe and looked_at):
        raise ValueError("the counts have no end")
    counts = [(found[2], int(found[1])) for found in NAME.finditer(said)]
    odd = len(re.findall(r"^errors ", said, re.M)) - len(counts)
    if odd:
        counts.append(("(other)", odd))
    return LogErrors(method[1], _most_first(counts), int(severe[1]), int(looked_at[1]) >= CAP)


def _event_logs(raw: JSON) -> LogErrors:
    """Errors by provider and event number: one provider reports many things."""
    logs = rows(raw, "logs")
    counts: Counter[str] = Counter()
    levels: Counter[int | None] = Counter()
    for log in logs:
        for group in rows(dict(log), "groups"):
            provider, event, level = text(group["provider"]), number(group["id"]), number(group["level"])
            if event is None or (provider.lower(), event) in NO_ERRORS:
                continue
            count = number(group["count"]) or 0
            levels[level] += count
            if level in (CRITICAL, ERROR):
                counts[f"{provider} {event}"] += count
    begins = [_begin(log) for log in logs]
    return LogErrors(
        method="event logs",
        errors=_most_first(counts.items()),
        severe=levels[CRITICAL],
        capped=any(flag(log["cut"]) for log in logs),
        begins_at=max((at for at in begins if at is not None), default=None),
        warnings=levels[WARNING],
    )


def _begin(log: Row) -> datetime | None:
    """From when on the log was counted: all of it, or the newest entries if there were too many."""
    if not flag(log["cut"]):
        return instant(log["oldest"])
    firsts = [instant(group["first"]) for group in rows(dict(log), "groups")]
    return min((at for at in firsts if at is not None), default=None)


def _most_first(counts: Iterable[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted(counts, key=lambda pair: (-pair[1], pair[0])))


log_errors = Section(
    name="log-errors",
    facts=LogErrors,
    collect={
        "posix": Shell(POSIX, timeout_s=40),
        "windows": PowerShell(WINDOWS, timeout_s=60, rights="event-log-reader", cost="large"),
    },
    parse=parse,
    parameters={"since": Parameter("instant", 0, "count from here; 30 days where there was no visit")},
    privacy="names of programs, numbers and times of their errors; never a text",
)


@dataclass(frozen=True, slots=True)
class LogLevels:
    a_day: float = 20.0  # errors a day of one program
    flood_a_day: float = 500.0  # errors a day of one program that fill the log and hide others
    severe: int = 1  # entries of priority critical, alert or emergency, since the last visit


FILE_WINDOW_DAYS = 7.0  # how far a log file usually reaches before it is turned over


def check(facts: LogErrors, levels: LogLevels, ctx: Context) -> Iterator[Result]:
    since = ctx.previous_at or ctx.collected_at - timedelta(days=30)
    since = max(since, facts.begins_at or since)
    window = (ctx.collected_at - since).total_seconds() / 86400
    days = max(1.0, FILE_WINDOW_DAYS if facts.method == "file" else window)
    total = sum(count for _, count in facts.errors)
    yield Metric(name="errors", value=Number(total))
    if facts.method == "event logs":
        yield Metric(name="warnings", value=Number(facts.warnings))
    found = False
    for name, count in facts.errors[:50]:
        a_day = count / days
        if a_day < levels.a_day:
            continue
        found = True
        flood = a_day >= levels.flood_a_day
        yield Finding(
            impact=Impact.LIMITED,
            when=When.BEFORE_NEXT_VISIT if flood else When.LATER,
            message="many",
            item=name,
            evidence={
                "count": Number(count),
                "a_day": Number(round(a_day, 1), "a day"),
                "limit": Number(levels.flood_a_day if flood else levels.a_day, "a day"),
                "log": Text(facts.method),
            },
            value=Number(a_day, "a day"),
            worse=Worse.HIGHER,
        )
    evidence: dict[str, Value] = {"errors": Number(total), "severe": Number(facts.severe)}
    if facts.severe >= levels.severe:
        yield Finding(
            impact=Impact.LIMITED,
            message="severe",
            evidence=evidence,
            value=Number(facts.severe),
            worse=Worse.HIGHER,
        )
    elif found:
        return
    elif facts.capped and facts.method != "file":
        yield NotChecked(reason=f"more than {CAP} entries: only the newest were counted")
    else:
        yield Passed(evidence=evidence)


error_counts = Probe(
    id="host.log-errors",
    title="The system log shows few errors",
    check=check,
    levels=LogLevels(),
    messages={
        "many": "{item} logged {count} errors, {a_day}.",
        "severe": "The system log holds {severe} entries of the gravest kind.",
    },
    why="A program that logs errors all day is about to fail, or hides the one entry that matters.",
    remedy="Read the entries of the program named on the machine itself, and mend their cause.",
    verify="`journalctl -p err` of the last days shows the program no more; on Windows the same filter in "
    "the Event Viewer.",
    rights="membership in the group adm or systemd-journal, on Windows Event Log Readers",
    references=("domain: app.error-log, for the system's own log",),
)
