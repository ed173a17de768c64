"""Certificates that the machine shows to others, and when they end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from checkup.api import (
    JSON,
    Context,
    Duration,
    ErrorClass,
    Impact,
    Instant,
    NotApplicable,
    NotChecked,
    Parameter,
    Probe,
    Result,
    Section,
    Shell,
    Step,
    When,
    Worse,
    judge,
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """`ends_at` is None where the file could not be read; `problem` then says why."""

    path: str
    ends_at: datetime | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Certificates:
    certificates: tuple[Certificate, ...]


# The declared ones, and where certbot keeps its own. Only the end date leaves the machine.
POSIX = """
date_of() {
  echo "file $1"
  if [ ! -e "$1" ]; then echo "problem missing"
  elif [ ! -r "$1" ]; then echo "problem denied"
  else openssl x509 -noout -enddate -in "$1" 2>/dev/null || echo "problem unreadable"
  fi
}
[ -n "$P_certificates" ] || [ -d /etc/letsencrypt/live ] || absent "no certificates are declared here"
command -v openssl >/dev/null || unsupported "no openssl command"
printf '%s\\n' "$P_certificates" | while IFS= read -r file; do
  [ -n "$file" ] && date_of "$file"
done
if [ -e /etc/letsencrypt/live ]; then
  if [ -r /etc/letsencrypt/live ]; then
    for file in /etc/letsencrypt/live/*/cert.pem; do [ -e "$file" ] && date_of "$file"; done
  else
    partial "/etc/letsencrypt/live cannot be read by this account"
  fi
fi
exit 0
"""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
END = re.compile(r"notAfter=([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4}) GMT", re.A)


def parse(raw: JSON, source: str, version: int) -> Certificates:
    found: dict[str, Certificate] = {}
    path = ""
    for line in str(raw).splitlines():
        if line.startswith("file "):
            path = line[5:]
        elif line.startswith("problem "):
            found[path] = Certificate(path, None, line[8:])
        elif end := END.fullmatch(line.strip()):
            day, hour, minute, second, year = (int(end[n]) for n in (2, 3, 4, 5, 6))
            at = datetime(year, MONTHS.index(end[1]) + 1, day, hour, minute, min(second, 59), tzinfo=UTC)
            found[path] = Certificate(path, at)
    return Certificates(tuple(found.values()))


certificates = Section(
    name="certificates",
    facts=Certificates,
    collect={"posix": Shell(POSIX)},
    parse=parse,
    parameters={"certificates": Parameter("texts", (), "files with a certificate that this machine shows")},
    privacy="paths and end dates of the declared certificates",
)


@dataclass(frozen=True, slots=True)
class CertificateLevels:
    soon_days: int = 30  # time left (path.credential-expiry)
    now_days: int = 7


def check(facts: Certificates, levels: CertificateLevels, ctx: Context) -> Iterator[Result]:
    if not facts.certificates:
        yield NotApplicable(reason="no certificate to look at")
    for one in facts.certificates:
        if one.ends_at is None:
            denied = one.problem == "denied"
            reason = {
                "denied": "this account may not read it",
                "missing": "there is no such file, or its folder is closed",
            }
            yield NotChecked(
                item=one.path,
                reason=reason.get(one.problem, "it holds no certificate that openssl can read"),
                error=ErrorClass.DENIED if denied else ErrorClass.BAD_OUTPUT,
            )
            continue
        left = (one.ends_at - ctx.now).total_seconds()
        yield from judge(
            "left",
            Duration(left),
            (
                Step(0, Impact.MAJOR, When.NOW, "ended"),
                Step(levels.now_days * 86400, Impact.MAJOR, When.NOW),
                Step(levels.soon_days * 86400, Impact.LIMITED),
            ),
            worse=Worse.LOWER,
            message="ends",
            item=one.path,
            evidence={"ends": Instant(one.ends_at)},
        )


certificate_dates = Probe(
    id="host.certificates",
    title="Certificates are valid for longer than a month",
    check=check,
    levels=CertificateLevels(),
    messages={
        "ends": "The certificate in {item} ends on {ends}, in {left}.",
        "ended": "The certificate in {item} ended on {ends}.",
    },
    why="On the day a certificate ends, programs refuse the connection and the work stops.",
    remedy="Renew the certificate and restart what uses it; let the renewal run by itself.",
    verify="`openssl x509 -noout -enddate -in` the file shows the new date, and clients connect.",
    references=("domain: path.credential-expiry",),
)
