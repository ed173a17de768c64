"""The databases of an instance: are they there, in which state, with which options."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime

from checkup.api import (
    RECOVERABILITY,
    SUPPORTABILITY,
    Context,
    Finding,
    Impact,
    NoLevels,
    NotApplicable,
    Number,
    Passed,
    Probe,
    Result,
    Section,
    Sql,
    SqlFacts,
    SqlVariant,
    Text,
    Visit,
    When,
)
from probes.sql.declared import MESSAGES, WHY, judge_declared
from probes.sql.rows import reader
from probes.sqlserver.availability import LogShipping

_ANYONE = "VIEW ANY DATABASE (every login has it unless it was taken away)"


@dataclass(frozen=True, slots=True)
class Database:
    """A row of sys.databases; `source_database_id` is there for a snapshot only."""

    database_name: str
    database_id: int
    source_database_id: int | None
    created_at: datetime
    state: str
    user_access: str
    is_read_only: bool
    is_in_standby: bool
    recovery_model: str
    page_verify: str
    is_auto_close: bool
    is_auto_shrink: bool
    is_auto_create_statistics: bool
    is_auto_update_statistics: bool
    is_trustworthy: bool
    compatibility_level: int
    collation_name: str | None
    log_reuse_wait: str
    server_collation: str

    @property
    def is_system(self) -> bool:
        return self.database_name in ("master", "model", "msdb", "tempdb")

    @property
    def is_online(self) -> bool:
        return self.state == "ONLINE" and not self.is_in_standby


class Databases(SqlFacts[Database]):
    @property
    def users(self) -> tuple[Database, ...]:
        """The databases that people work in: no system databases, no snapshots."""
        return tuple(one for one in self.rows if not one.is_system and one.source_database_id is None)


# Most columns may be NULL by the documentation. One of a database that did not come up must not cost what is
# known of all; options are judged of databases that are online.
databases = Section(
    name="sqlserver-databases",
    facts=Databases,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT d.name AS database_name, d.database_id AS database_id, d.source_database_id AS source_database_id,
       d.create_date AS created_at, ISNULL(d.state_desc, N'') AS state,
       ISNULL(d.user_access_desc, N'') AS user_access, ISNULL(d.is_read_only, 0) AS is_read_only,
       ISNULL(d.is_in_standby, 0) AS is_in_standby, ISNULL(d.recovery_model_desc, N'') AS recovery_model,
       ISNULL(d.page_verify_option_desc, N'') AS page_verify, ISNULL(d.is_auto_close_on, 0) AS is_auto_close,
       ISNULL(d.is_auto_shrink_on, 0) AS is_auto_shrink,
       ISNULL(d.is_auto_create_stats_on, 0) AS is_auto_create_statistics,
       ISNULL(d.is_auto_update_stats_on, 0) AS is_auto_update_statistics,
       ISNULL(d.is_trustworthy_on, 0) AS is_trustworthy, d.compatibility_level AS compatibility_level,
       d.collation_name AS collation_name, ISNULL(d.log_reuse_wait_desc, N'') AS log_reuse_wait,
       CONVERT(nvarchar(128), SERVERPROPERTY(N'Collation')) AS server_collation
FROM sys.databases AS d
""",
                    reads=("sys.databases",),
                    rights=("VIEW ANY DATABASE",),
                ),
            ),
            row=Database,
            # Without VIEW ANY DATABASE only master, tempdb and one's own are shown, and no error.
            canary=(
                "SELECT CASE WHEN HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW ANY DATABASE') = 1 THEN 0 ELSE 1 END"
                " AS filtered"
            ),
            most_rows=5000,
        )
    },
    parse=reader(Databases, Database),
    privacy="names and options of databases",
)


# --- declared, and in which state -------------------------------------------------------------


def check_declared(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    names = [one.database_name for one in facts.rows]
    yield from judge_declared(names, len(facts.users), ctx, same=str.casefold)


declared_databases = Probe(
    id="sqlserver.declared-databases",
    title="The databases that belong to the site are on the instance",
    check=check_declared,
    levels=NoLevels(),
    kind="sqlserver",
    messages=MESSAGES,
    why=WHY,
    remedy=(
        "Find out where the database went: moved to another instance, renamed, detached? Then correct "
        "`databases:` in the site file, or attach or restore the database."
    ),
    verify="SELECT name FROM sys.databases shows the database.",
    rights=_ANYONE,
    references=("sys.databases (Transact-SQL), Microsoft Learn",),
)

# State and what it means; RESTORING and OFFLINE may be meant, so they are worth a question only.
_DOWN = ("SUSPECT", "RECOVERY_PENDING", "EMERGENCY")
_CLOSED = {"SINGLE_USER": "single", "RESTRICTED_USER": "restricted"}


@dataclass(frozen=True, slots=True)
class StateNeeds:
    databases: Databases
    shipping: LogShipping | None


def check_state(facts: StateNeeds, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    copies = (
        {one.database_name for one in facts.shipping.rows if one.is_copy} if facts.shipping else set[str]()
    )
    for one in facts.databases.rows:
        if one.source_database_id is not None:
            continue
        evidence = {"state": Text(one.state), "access": Text(one.user_access)}
        if one.state in _DOWN:
            yield Finding(
                impact=Impact.DOWN,
                when=When.NOW,
                message="down",
                item=one.database_name,
                evidence=evidence,
            )
        elif one.state == "RESTORING" and one.database_name in copies:
            yield Passed(item=one.database_name, evidence=evidence)  # how it keeps up: sqlserver.log-shipping
        elif one.state != "ONLINE":
            yield Finding(impact=Impact.LIMITED, message="away", item=one.database_name, evidence=evidence)
        elif one.user_access in _CLOSED:
            yield Finding(
                impact=Impact.LIMITED,
                message=_CLOSED[one.user_access],
                item=one.database_name,
                evidence=evidence,
            )
        else:
            yield Passed(item=one.database_name, evidence=evidence)


database_state = Probe(
    id="sqlserver.database-state",
    title="All databases are online and open to their users",
    check=check_state,
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "down": "{item} is in the state {state}: nobody can work with it.",
        "away": "{item} is in the state {state}.",
        "single": "{item} lets in one connection at a time ({access}).",
        "restricted": "{item} lets in its owners and administrators only ({access}).",
    },
    why=(
        "SUSPECT, RECOVERY_PENDING and EMERGENCY say that the server could not bring the database up, often "
        "because of damaged or missing files. OFFLINE and RESTORING may be meant, or be left from a job that "
        "was stopped."
    ),
    remedy=(
        "Read the cause in the error log before anything is touched, and keep the files as they are. Call "
        "us: a repair may lose data that a restore would bring back. Closed to users for work that is done: "
        "ALTER DATABASE [name] SET MULTI_USER. A database that is not needed: take it out of the instance, "
        "so that the next check-up does not ask."
    ),
    verify="SELECT name, state_desc, user_access_desc FROM sys.databases shows ONLINE and MULTI_USER.",
    rights=_ANYONE,
    references=("Database states, Microsoft Learn", "sp_Blitz check 102, First Responder Kit"),
)


# --- one option, asked of every database ------------------------------------------------------


def _each(
    bad: Callable[[Database], bool],
    shown: Callable[[Database], str],
    impact: Impact,
    when: When = When.BEFORE_NEXT_VISIT,
    function: str = "",
) -> Callable[[Databases, NoLevels, Context], Iterator[Result]]:
    """A check that finds each database in use whose option is not as it should be."""

    def check(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
        looked = [one for one in facts.users if one.is_online]
        if not looked:
            yield NotApplicable(reason="no database of the clinic is online here")
        for one in looked:
            evidence = {"setting": Text(shown(one))}
            if bad(one):
                yield Finding(
                    impact=impact,
                    when=when,
                    function=function,
                    message="set",
                    item=one.database_name,
                    evidence=evidence,
                )
            else:
                yield Passed(item=one.database_name, evidence=evidence)

    return check


page_verify = Probe(
    id="sqlserver.page-verify",
    title="Pages carry a checksum",
    check=_each(
        lambda one: one.page_verify != "CHECKSUM" and not one.is_read_only,
        lambda one: one.page_verify,
        Impact.LIMITED,
        function=RECOVERABILITY,
    ),
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "set": "{item} verifies its pages by {setting}: damage by the storage is noticed late or never."
    },
    why=(
        "With CHECKSUM the server notices at the next read that a page was changed by the storage. Without "
        "it damage is copied into the back-ups until no good one is left."
    ),
    remedy=(
        "ALTER DATABASE [name] SET PAGE_VERIFY CHECKSUM; it takes effect at once, for pages as they are "
        "written. Rebuild the indexes in a quiet hour so that all pages get one. The way back is the same "
        "statement with the setting named here."
    ),
    verify="SELECT name, page_verify_option_desc FROM sys.databases shows CHECKSUM.",
    rights=_ANYONE,
    references=("ALTER DATABASE SET options, Microsoft Learn", "sp_Blitz check 14, First Responder Kit"),
)

auto_close = Probe(
    id="sqlserver.auto-close",
    title="Databases stay open between users",
    check=_each(
        lambda one: one.is_auto_close, lambda one: "on" if one.is_auto_close else "off", Impact.LIMITED
    ),
    levels=NoLevels(),
    kind="sqlserver",
    messages={
        "set": "AUTO_CLOSE of {item} is {setting}: the database shuts down whenever the last user leaves."
    },
    why=(
        "The next one to open a case waits until the database is up again, with empty memory, and a database "
        "that does not come up again is noticed by nobody. Databases made on Express have it on by default."
    ),
    remedy=(
        "ALTER DATABASE [name] SET AUTO_CLOSE OFF; nobody needs to leave. The way back: SET AUTO_CLOSE ON."
    ),
    verify="SELECT name, is_auto_close_on FROM sys.databases shows 0.",
    rights=_ANYONE,
    references=("ALTER DATABASE SET options, Microsoft Learn", "sp_Blitz check 12, First Responder Kit"),
)

auto_shrink = Probe(
    id="sqlserver.auto-shrink",
    title="Databases do not shrink by themselves",
    check=_each(
        lambda one: one.is_auto_shrink, lambda one: "on" if one.is_auto_shrink else "off", Impact.LIMITED
    ),
    levels=NoLevels(),
    kind="sqlserver",
    messages={"set": "AUTO_SHRINK of {item} is {setting}."},
    why=(
        "Every half hour the server moves pages to make the file smaller, which slows everybody and scatters "
        "the indexes; then the file grows again."
    ),
    remedy=(
        "ALTER DATABASE [name] SET AUTO_SHRINK OFF; nobody needs to leave. The way back: SET AUTO_SHRINK ON."
    ),
    verify="SELECT name, is_auto_shrink_on FROM sys.databases shows 0.",
    rights=_ANYONE,
    references=("ALTER DATABASE SET options, Microsoft Learn", "sp_Blitz check 13, First Responder Kit"),
)


def _statistics(one: Database) -> str:
    off = [
        name
        for name, on in (
            ("AUTO_CREATE_STATISTICS", one.is_auto_create_statistics),
            ("AUTO_UPDATE_STATISTICS", one.is_auto_update_statistics),
        )
        if not on
    ]
    return " and ".join(off) + " off" if off else "on"


auto_statistics = Probe(
    id="sqlserver.auto-statistics",
    title="The server keeps its statistics up to date",
    check=_each(lambda one: _statistics(one) != "on", _statistics, Impact.LIMITED, When.LATER),
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"set": "{item} has {setting}: the server guesses from old figures how to find its rows."},
    why="Queries that were quick become slow as tables grow, from one day to the next.",
    remedy=(
        "ALTER DATABASE [name] SET AUTO_CREATE_STATISTICS ON, and SET AUTO_UPDATE_STATISTICS ON, unless we "
        "asked you to turn it off. Gain: plans that fit the data. The way back is the same statement with "
        "OFF."
    ),
    verify="SELECT name, is_auto_create_stats_on, is_auto_update_stats_on FROM sys.databases shows 1 and 1.",
    rights=_ANYONE,
    references=("ALTER DATABASE SET options, Microsoft Learn", "sp_Blitz checks 15 and 16"),
)

trustworthy = Probe(
    id="sqlserver.trustworthy",
    title="No database is trusted beyond itself",
    check=_each(
        lambda one: one.is_trustworthy,
        lambda one: "on" if one.is_trustworthy else "off",
        Impact.NOTE,
        When.LATER,
        SUPPORTABILITY,
    ),
    levels=NoLevels(),
    kind="sqlserver",
    messages={"set": "TRUSTWORTHY of {item} is {setting}: whoever owns the database may own the instance."},
    why="Code in a trusted database runs with the rights of its owner on the whole instance.",
    remedy=(
        "Ask us whether our software needs it on this database. If not: ALTER DATABASE [name] SET "
        "TRUSTWORTHY OFF. The way back: SET TRUSTWORTHY ON."
    ),
    verify="SELECT name, is_trustworthy_on FROM sys.databases shows 0.",
    rights=_ANYONE,
    references=("TRUSTWORTHY database property, Microsoft Learn", "sp_Blitz check 137"),
)


# --- against a policy, or the instance --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RecoveryLevels:
    models: tuple[str, ...] = ("FULL",)  # allowed; with SIMPLE a day's work is lost, not minutes


def check_recovery(facts: Databases, levels: RecoveryLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.users if one.is_online and not one.is_read_only]
    if not looked:
        yield NotApplicable(reason="no database of the clinic is online here")
    allowed = {model.upper() for model in levels.models}
    for one in looked:
        evidence = {"model": Text(one.recovery_model)}
        if one.recovery_model.upper() in allowed:
            yield Passed(item=one.database_name, evidence=evidence)
        else:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                function=RECOVERABILITY,
                message="model",
                item=one.database_name,
                evidence=evidence,
            )


recovery_model = Probe(
    id="sqlserver.recovery-model",
    title="Databases can be restored to the minute",
    check=check_recovery,
    levels=RecoveryLevels(),
    kind="sqlserver",
    messages={
        "model": "{item} is in the recovery model {model}: it can be restored to its last back-up only."
    },
    why=(
        "In the model SIMPLE there are no log back-ups: whatever was entered since the last full or "
        "differential back-up is gone after a loss."
    ),
    remedy=(
        "Decide how much work may be lost. Where it is less than a day: ALTER DATABASE [name] SET RECOVERY "
        "FULL, a full back-up, then log back-ups every 15 minutes (on Express by the Windows task scheduler "
        "and sqlcmd); never FULL without them, or the log fills the disk. Where a day is fine, set the level "
        "`models` in the site file. The way back: SET RECOVERY SIMPLE."
    ),
    verify="SELECT name, recovery_model_desc FROM sys.databases shows the model agreed on.",
    rights=_ANYONE,
    references=("Recovery models (SQL Server), Microsoft Learn",),
)


def check_compatibility(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    newest = facts.server.version[0] * 10
    for one in facts.users:
        evidence = {"level": Number(one.compatibility_level), "newest": Number(newest)}
        if one.compatibility_level < newest:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                function=SUPPORTABILITY,
                message="older",
                item=one.database_name,
                evidence=evidence,
            )
        else:
            yield Passed(item=one.database_name, evidence=evidence)
    if not facts.users:
        yield NotApplicable(reason="no database of the clinic is on this instance")


compatibility = Probe(
    id="sqlserver.compatibility-level",
    title="Databases use the server's own level",
    check=check_compatibility,
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"older": "{item} works as on an older server: level {level}, the server has {newest}."},
    why=(
        "Newer levels have better plans, and sometimes worse ones: it is for us, the vendor, to say which is "
        "tested."
    ),
    remedy=(
        "Do not change it yourself. We tell you whether our release is tested on the newer level; gain: "
        "plans of the newer server. The way back is one statement."
    ),
    verify="SELECT name, compatibility_level FROM sys.databases shows the level agreed on.",
    rights=_ANYONE,
    references=("ALTER DATABASE compatibility level, Microsoft Learn", "sp_Blitz check 62"),
)


def check_collation(facts: Databases, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.users if one.collation_name is not None]
    if not looked:
        yield NotApplicable(reason="no database of the clinic tells its collation")
    for one in looked:
        evidence = {"collation": Text(one.collation_name or ""), "server": Text(one.server_collation)}
        if one.collation_name != one.server_collation:
            yield Finding(
                impact=Impact.NOTE,
                when=When.LATER,
                function=SUPPORTABILITY,
                message="other",
                item=one.database_name,
                evidence=evidence,
            )
        else:
            yield Passed(item=one.database_name, evidence=evidence)


collation = Probe(
    id="sqlserver.collation",
    title="Databases sort as their server does",
    check=check_collation,
    levels=NoLevels(),
    kind="sqlserver",
    visits=frozenset({Visit.TUNE_UP}),
    messages={"other": "{item} sorts by {collation}, the instance by {server}."},
    why="Temporary tables take the server's collation: comparing the two fails, or finds other rows.",
    remedy="Tell us: it is for the vendor to say whether it matters to our software. Change nothing.",
    verify="The two collations agree, or we told you in writing that they need not.",
    rights=_ANYONE,
    references=("Collation and Unicode support, Microsoft Learn", "sp_Blitz check 76"),
)
