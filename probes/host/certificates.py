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
    Finding,
    Impact,
    Instant,
    NotApplicable,
    NotChecked,
    Number,
    Parameter,
    PowerShell,
    Probe,
    Result,
    Section,
    Shell,
    Step,
    Text,
    When,
    Worse,
    judge,
)
from probes.windows.rows import Row, flag, instant, number, rows, text, texts


@dataclass(frozen=True, slots=True)
class Certificate:
    """`ends_at` is None where the file could not be read; `problem` then says why.

    On Windows `path` is the name in the machine's own store. One that is not declared may be of no use to
    anybody. `rsa_bits` and `signature` (its OID) are "not known" as None and "".
    """

    path: str
    ends_at: datetime | None
    problem: str = ""
    declared: bool = True
    rsa_bits: int | None = None
    signature: str = ""


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

# Names and dates only. Whether there is a private key is a property of the certificate; no key is touched.
# Size: the public key's, for RSA (OID 1.2.840.113549.1.1.1).
WINDOWS = """
$store = New-Object System.Security.Cryptography.X509Certificates.X509Store('My', 'LocalMachine')
$store.Open('ReadOnly')
$found = @()
foreach ($certificate in $store.Certificates) {
  $usages = @()
  foreach ($extension in $certificate.Extensions) {
    foreach ($usage in @($extension.EnhancedKeyUsages)) {
      if ($null -ne $usage) {
        $usages += $usage.Value
      }
    }
  }
  $bits = $null
  if ($certificate.PublicKey.Oid.Value -eq '1.2.840.113549.1.1.1') {
    $bits = $certificate.PublicKey.Key.KeySize
  }
  $found += @{
    'name' = $certificate.GetNameInfo('SimpleName', $false)
    'thumbprint' = $certificate.Thumbprint
    'ends' = $certificate.NotAfter
    'private' = $certificate.HasPrivateKey
    'usages' = $usages
    'bits' = $bits
    'signature' = $certificate.SignatureAlgorithm.Value
  }
}
$store.Close()
@{
  'certificates' = $found
  'declared' = @($P.certificates)
}
"""
STORE = "LocalMachine\\My"
SERVER_AUTHENTICATION = "1.3.6.1.5.5.7.3.1"  # RFC 5280, section 4.2.1.12

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
END = re.compile(r"notAfter=([A-Z][a-z]{2}) +(\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\d{4}) GMT", re.A)


def parse(raw: JSON, source: str, version: int) -> Certificates:
    return _store(raw) if source == "windows" else _files(raw)


def _store(raw: JSON) -> Certificates:
    """What was declared by name or thumbprint, and the rest that a server could show to its clients.

    Of several with one name the one that ends last counts: the others were renewed.
    """
    if not isinstance(raw, dict):
        raise ValueError("not a store of certificates")
    wanted = {_plain(one): one for one in texts(raw["declared"]) if one}
    latest: dict[str, Certificate] = {}
    seen: set[str] = set()
    for row in rows(raw, "certificates"):
        names = {_plain(text(row["name"])), _plain(text(row["thumbprint"]))}
        seen |= names
        declared = not names.isdisjoint(wanted)
        if not declared and not _of_a_server(row):
            continue
        one = _stored(row, declared)
        other = latest.get(one.path)
        if other is None or _rank(one) > _rank(other):
            latest[one.path] = one
    missing = [
        Certificate(f"{STORE}: {name}", None, "missing") for key, name in wanted.items() if key not in seen
    ]
    return Certificates((*latest.values(), *missing))


def _rank(one: Certificate) -> tuple[bool, float]:
    return one.declared, one.ends_at.timestamp() if one.ends_at else 0.0


def _plain(name: str) -> str:
    """Thumbprints are copied with blanks, and with a mark for the direction of writing before them."""
    return "".join(character for character in name.lower() if character.isalnum() or character in ".-*_")


def _of_a_server(row: Row) -> bool:
    usages = texts(row["usages"])
    return flag(row["private"]) is True and (not usages or SERVER_AUTHENTICATION in usages)


def _stored(row: Row, declared: bool) -> Certificate:
    ends_at = instant(row["ends"])
    if ends_at is None:
        raise ValueError("a certificate without an end")
    name = text(row["name"]) or text(row["thumbprint"])
    bits, signature = number(row["bits"]), text(row["signature"])
    return Certificate(f"{STORE}: {name}", ends_at, "", declared, bits, signature)


def _files(raw: JSON) -> Certificates:
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
    collect={"posix": Shell(POSIX), "windows": PowerShell(WINDOWS)},
    parse=parse,
    parameters={
        "certificates": Parameter(
            "texts",
            (),
            "files with a certificate that this machine shows; on Windows names or thumbprints of "
            "certificates in the machine's own store",
        )
    },
    privacy="paths or names, end dates and key sizes of certificates",
)


@dataclass(frozen=True, slots=True)
class CertificateLevels:
    soon_days: int = 30  # time left (path.credential-expiry)
    now_days: int = 7
    old_days: int = 30  # one that nobody declared and that ended longer ago is a left-over
    rsa_bits: int = 2048  # least size of an RSA key (NIST SP 800-131A rev. 2, table 2)


# Signatures that others refuse: md5 and sha1 with RSA, ecdsa with sha1 (RFC 8017 and RFC 3279).
WEAK_SIGNATURES = {
    "1.2.840.113549.1.1.4": "MD5",
    "1.2.840.113549.1.1.5": "SHA-1",
    "1.2.840.10045.4.1": "SHA-1",
}


def check(facts: Certificates, levels: CertificateLevels, ctx: Context) -> Iterator[Result]:
    if not facts.certificates:
        yield NotApplicable(reason="no certificate to look at")
    for one in facts.certificates:
        if one.ends_at is None and one.path.startswith(STORE):
            yield Finding(impact=Impact.MAJOR, message="missing", item=one.path)
            continue
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
        # Nobody said that one which is not declared is needed: it is never a reason for haste.
        impact = Impact.MAJOR if one.declared else Impact.LIMITED
        when = When.NOW if one.declared else When.BEFORE_NEXT_VISIT
        old = () if one.declared else (Step(-levels.old_days * 86400, Impact.NOTE, When.LATER, "left_over"),)
        yield from judge(
            "left",
            Duration(left),
            (
                *old,
                Step(0, impact, when, "ended"),
                Step(levels.now_days * 86400, impact, when),
                Step(levels.soon_days * 86400, Impact.LIMITED),
            ),
            worse=Worse.LOWER,
            message="ends",
            item=one.path,
            evidence={"ends": Instant(one.ends_at)},
        )
        yield from _weakness(one, levels)


def _weakness(one: Certificate, levels: CertificateLevels) -> Iterator[Result]:
    item = f"{one.path} (strength)"
    if one.rsa_bits is not None and one.rsa_bits < levels.rsa_bits:
        evidence = {"bits": Number(one.rsa_bits, "bits"), "limit": Number(levels.rsa_bits, "bits")}
        yield Finding(impact=Impact.LIMITED, message="short_key", item=item, evidence=evidence)
    elif one.signature in WEAK_SIGNATURES:
        evidence = {"algorithm": Text(WEAK_SIGNATURES[one.signature])}
        yield Finding(impact=Impact.NOTE, when=When.LATER, message="weak", item=item, evidence=evidence)


certificate_dates = Probe(
    id="host.certificates",
    title="Certificates are valid for longer than a month",
    check=check,
    levels=CertificateLevels(),
    messages={
        "ends": "The certificate in {item} ends on {ends}, in {left}.",
        "ended": "The certificate in {item} ended on {ends}.",
        "left_over": "The certificate in {item} ended on {ends}; it seems to be a left-over.",
        "missing": "The declared certificate is not there: {item}.",
        "short_key": "A certificate's key has {bits}, less than {limit}: {item}.",
        "weak": "A certificate is signed with {algorithm}: {item}.",
    },
    why="On the day a certificate ends, programs refuse the connection and the work stops.",
    remedy="Renew the certificate and restart what uses it; let the renewal run by itself; remove what "
    "nothing uses.",
    verify="`openssl x509 -noout -enddate -in` the file, on Windows `certlm.msc`, shows the new date, and "
    "clients connect.",
    references=("domain: path.credential-expiry",),
)
