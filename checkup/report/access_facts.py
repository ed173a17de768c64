"""What an Access file holds and who works in it: its tables, its users, what the site added, its format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from checkup.api import Bytes, Number, Ratio
from checkup.assessment import Outcome
from checkup.report.access_space import Space
from checkup.report.charts import share
from checkup.report.input import EndpointFacts
from checkup.report.model import AccessTable, Figure, Pair
from checkup.report.systems import way_in
from checkup.report.target_results import PLAIN, UNKNOWN, TargetResults
from checkup.report.text import NBSP, capital, clean, count

USERS, LOCK = "users", "stale-lock"
TABLES = "near-limit-tables"
CUSTOMISED = "customised"

# Checks whose findings are of one table, and what they say of it beside its size.
_NEAR: Mapping[str, str] = {
    "index-limit": "{count} of {limit} indexes",
    "column-limit": "{count} of {limit} columns",
    "autonumber-end": "{share} of its AutoNumbers used",
    TABLES: "{share} of the file's limit",
}
_ENCRYPTION: Mapping[str, str] = {
    "none": "None: whoever can read the folder can read the file.",
    "rc4": "Weak: the key lies in the file.",
    "cryptoapi": "Weak: RC4 as Office 2007 uses it.",
    "office-standard": "AES, with the file's password.",
    "office-agile": "AES, with the file's password.",
    "msisam": "That of Microsoft Money.",
    "extensible": "Of a kind that could not be judged.",
    "unknown": "Of a kind that could not be judged.",
}
_PASSWORDS: Mapping[str, str] = {
    "none": "None.",
    "set": "Set.",
    "protects-nothing": "Set, but the file can be read without it.",
}
# How the file was reached, in words; what ends in "from" goes on with the address.
_WAYS: Mapping[str, str] = {
    "file": "where it lies, on the machine itself",
    "smb": "over its share, from",
    "sftp": "by SFTP from",
    "server-pages": "by pages that its server handed out",
}
_CHANGES: Mapping[str, str] = {"added": "added", "changed": "changed", "removed": "no longer there"}
_BESIDE = ("queries", "forms", "reports", "macros", "modules")
_VERSIONS: Mapping[str, str] = {"jet3": "Jet 3 (.mdb)", "jet4": "Jet 4 (.mdb)"}


# --- users ------------------------------------------------------------------------------------


def users_figure(file: TargetResults) -> tuple[Figure, str]:
    """The figure in large print, and the words of the overview."""
    machines, declared = file.shown(USERS, "machines"), file.shown(USERS, "declared")
    if machines:
        most = f"; {declared} are declared" if declared else ""
        shown = f"{machines} ({declared} declared)" if declared else machines
        return Figure(number=machines, label=f"machines in it{most}", style=file.style(USERS)), shown
    if file.outcome(USERS) is Outcome.NOT_APPLICABLE:
        return Figure(number="0", label="machines in it: nobody had it open", style=PLAIN), "nobody"
    return Figure(number=UNKNOWN, label="machines in it: not known", style=PLAIN), UNKNOWN


def _users(file: TargetResults) -> str:
    names = file.shown(USERS, "names")
    if names:
        machines, declared = file.shown(USERS, "machines"), file.shown(USERS, "declared")
        against = f"; {declared} are declared" if declared else "; how many there may be is not declared"
        said = (
            f"{machines} machines: {names}{against}. An entry stays until all are out, so this is who has "
            "been in it; who is in it this minute shows in the server's list of open files."
        )
    elif file.outcome(USERS) is Outcome.NOT_APPLICABLE:
        said = "Nobody had the file open: there was no lock file."
    else:
        said = f"Not known: {file.reason(USERS, Outcome.NOT_CHECKED).rstrip('.') or 'not looked at'}."
    left = file.said(LOCK)
    return f"{said} {left}".strip()


# --- tables -----------------------------------------------------------------------------------


def tables_of(file: TargetResults, space: Space) -> Iterator[AccessTable]:
    """The largest tables, and behind them those that are near a limit."""
    near = _near(file)
    rows = dict(file.items(TABLES, "rows"))
    values = file.printer.formats.value
    sizes = sorted(file.items(TABLES, "table_bytes"), key=lambda pair: (-pair[1], pair[0]))
    for name, size in sizes:
        part = size / space.size if space.size else None
        shown = _share(part, values(Ratio(part))) if part is not None else ""
        named = clean(name, 120)
        yield AccessTable(
            name=named,
            rows=values(Number(rows[name])) if name in rows else "",
            size=values(Bytes(round(size))),
            share=shown,
            bar=share(part, f"{named}: {shown} of the file") if part is not None else None,
            near="; ".join(near.pop(name, [])),
        )
    for name, said in near.items():
        named = clean(name, 120)
        yield AccessTable(name=named, rows="", size="", share="", bar=None, near="; ".join(said))


def _share(part: float, shown: str) -> str:
    return shown if part >= 0.001 or not part else f"<{NBSP}0.1{NBSP}%"


def _near(file: TargetResults) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for check, template in _NEAR.items():
        for result in file.findings(check):
            values = {name: file.printer.formats.value(value) for name, value in result.evidence.items()}
            # The template is ours, and so are the names of the values; they only must all be there.
            if all(f"{{{name}}}" not in template or name in values for name in ("count", "limit", "share")):
                found.setdefault(result.item, []).append(template.format_map(values))
    return found


def tables_note(file: TargetResults) -> str:
    number = file.metric(TABLES, "tables")
    listed = sum(1 for _ in file.items(TABLES, "table_bytes"))
    if number is None:
        return ""
    if listed < number:
        which = f"The {listed} largest of {count(round(number), 'table')}"
    else:
        which = "All tables of the file"
    return f"{which}. The size is that of records, indexes and long texts, the share that of the whole file."


# --- the rest ---------------------------------------------------------------------------------


def facts_of(file: TargetResults) -> Iterator[Pair]:
    yield "Who was in it", _users(file)
    yield "Made at the site", _made_here(file)
    yield "Links", _links(file)
    version, year = file.shown("format", "format"), file.shown("format", "year")
    if version:
        named = _VERSIONS.get(version, f"{version.upper()} (.accdb)")
        old = file.pointer("format")
        yield "Format", f"{named}, that of Access {year}{old}."
    yield from _compacted(file)
    yield from _place(file)
    encryption = file.shown("encryption", "encryption")
    if encryption:
        yield "Encryption", _ENCRYPTION.get(encryption, f"{encryption}.")
    password = _password(file)
    if password:
        yield "Password", password
    if file.endpoint is not None:
        seen = file.printer.formats.moment(file.endpoint.started_at)
        yield "Read", f"{seen}, {_way(file.endpoint)}; nothing was copied or changed."


def _way(endpoint: EndpointFacts) -> str:
    known = _WAYS.get(endpoint.transport)
    if known is None:
        return f"by {way_in(endpoint)}"
    return f"{known} {clean(endpoint.address, 120)}" if known.endswith("from") and endpoint.address else known


def _compacted(file: TargetResults) -> Iterator[Pair]:
    made, by, age = (file.shown("compaction-age", name) for name in ("made", "by", "age"))
    if made:
        worked = f"; worked in for {age} since" if age else ""
        yield "Made anew", f"{made}, by {by}{worked}." if by else f"{made}{worked}."


def _place(file: TargetResults) -> Iterator[Pair]:
    said = " ".join(filter(None, (file.said("placement"), file.said("folder-rights"))))
    if said:
        yield "Place", said


def _password(file: TargetResults) -> str:
    kind = file.shown("password", "password")
    if kind:
        return _PASSWORDS.get(kind, "Whether there is one could not be told.")
    return file.said("password")


def _made_here(file: TargetResults) -> str:
    """What the site added or changed; where nobody said what was shipped, all that lies beside the tables."""
    match file.outcome(CUSTOMISED):
        case Outcome.FINDING:
            values = file.printer.formats.value
            named = ((_CHANGES.get(r.message), r.evidence.get("names")) for r in file.findings(CUSTOMISED))
            said = [f"{word}: {values(names)}" for word, names in named if word and names is not None]
            return capital(f"{'; '.join(said)}.") if said else file.said(CUSTOMISED)
        case Outcome.PASSED:
            return "Nothing: its queries, forms and the like are those that its maker shipped."
        case _:
            return _beside_tables(file)


def _beside_tables(file: TargetResults) -> str:
    check = "front-end-as-back-end"
    if file.outcome(check) in (Outcome.FINDING, Outcome.PASSED):
        named = [(kinds, file.shown(check, kinds)) for kinds in _BESIDE]
        said = "; ".join(f"{kinds}: {names}" for kinds, names in named if names)
        if not said:
            return "Nothing: the file holds tables only."
        return f"Beside its tables it holds {said}. Which of these its maker shipped is not declared."
    why = file.reason(check, Outcome.NOT_APPLICABLE) or file.reason(check, Outcome.NOT_CHECKED)
    return f"Not known: {why.rstrip('.')}." if why else "Not looked at on this visit."


def _links(file: TargetResults) -> str:
    said = " ".join(filter(None, (file.said("linked-tables"), file.said("linked-without-key"))))
    if said:
        return said
    match file.outcome("linked-tables"):
        case Outcome.PASSED:
            links = file.amount("linked-tables", "links") or 0
            if links:
                return f"{count(round(links), 'link')} to tables elsewhere."
            return "None: all its tables lie in it."
        case Outcome.NOT_CHECKED:
            return f"Not known: {file.reason('linked-tables', Outcome.NOT_CHECKED).rstrip('.')}."
        case _:
            return "Not looked at on this visit."
