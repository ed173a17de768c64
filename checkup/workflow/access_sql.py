"""The access request for SQL servers: one login, what it is granted, and how all of it is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checkup.report.document import Block, Commands, Part, Points, Table, Text
from checkup.sql.engine import EngineName
from checkup.sql.engines import ENGINES
from checkup.sql.rights import LOGIN, grant_for, known, script
from checkup.transports.odbc.connect import PORTS
from checkup.workflow.access_needs import InstanceNeeds, SiteNeeds

# What would open the clinic's own tables, or more than that.
_NEVER: dict[EngineName, str] = {
    "sqlserver": "sysadmin, CONTROL SERVER, and any role in a database of the application (db_datareader)",
    "postgresql": "SUPERUSER, pg_read_all_data, and SELECT on any table of the application",
    "mariadb": "ALL PRIVILEGES, SUPER, and SELECT on a database of the application",
}
MOST_TITLES = 12


def sql_parts(needs: SiteNeeds) -> Iterator[Part]:
    """A part for each engine that the site has."""
    for name in ENGINES:
        instances = [one for one in needs.instances if one.engine == name]
        if instances:
            yield _part(name, instances, needs)


def _part(engine: EngineName, instances: Sequence[InstanceNeeds], needs: SiteNeeds) -> Part:
    accounts = list(dict.fromkeys(one.account or LOGIN for one in instances))
    rights = sorted({right for one in instances for right in one.rights})
    blocks: list[Block] = [
        Table(
            heads=("Instance", "What it is", "Way in", "Login"),
            rows=tuple(
                (one.id, one.title or ENGINES[engine].title, _way(one), one.account or LOGIN)
                for one in instances
            ),
            widths=("name", "name", "rest", "name"),
        ),
        Text(
            "One login for the check-up alone. Its connections call themselves checkup, only read, and wait "
            "for nobody's locks longer than five seconds; each statement begins with a comment that names "
            "the section it is for."
        ),
        Text(
            f"Not asked for, and please do not give it: {_NEVER[engine]}. The login sees what the server "
            "knows of itself, and no row of a patient's table."
        ),
    ]
    for account in accounts:
        windows = any(one.windows_account for one in instances if one.account == account)
        made = script(engine, rights, account, windows)
        blocks += [
            Commands("To grant, by an administrator of the server, on each instance above:", made.give),
            Commands("To take back:", made.take),
        ]
    rows = tuple(_lost(engine, right, instances, needs) for right in rights)
    if rows:
        blocks.append(Table(heads=("Right", "Not checked without it"), rows=rows, widths=("long", "rest")))
    refused = [
        right
        for right in rights
        if not known(engine, right) or grant_for(engine, right, (), "", LOGIN).refusal
    ]
    if refused:
        blocks += [
            Text("Some checks would need what is not asked for; the report says so of each:"),
            Points(tuple(refused)),
        ]
    return Part(
        heading=f"{ENGINES[engine].title}: a login that reads no table of yours", blocks=tuple(blocks)
    )


def _way(one: InstanceNeeds) -> str:
    where = f"{one.address}\\{one.instance}" if one.instance else one.address or "the machine itself"
    port = one.port or (0 if one.instance else PORTS[one.engine])
    at = f"TCP {port}" if port else "its TCP port, and UDP 1434 of the SQL Server Browser"
    encrypted = {"validated": "TLS, certificate checked", "unvalidated": "TLS", "clear": "not encrypted"}
    return f"{where}, {at} ({encrypted[one.encryption]})"


def _lost(
    engine: EngineName, right: str, instances: Sequence[InstanceNeeds], needs: SiteNeeds
) -> tuple[str, str]:
    sections = {name for one in instances for name in one.sections.get(right, ())}
    titles = sorted({title for name in sections for title in needs.titles.get(name, ())})
    more = f"; and {len(titles) - MOST_TITLES} more" if len(titles) > MOST_TITLES else ""
    return right, "; ".join(titles[:MOST_TITLES]) + more
