"""Alerts of SQL Server Agent: is somebody told when the server meets damage or a severe error?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    When,
)
from probes.sql.rows import reader
from probes.sqlserver.jobs import WITH_AGENT

_TABLES = ("sysalerts", "sysnotifications", "sysoperators")
RIGHTS = "SELECT on msdb.dbo." + ", ".join(_TABLES)


@dataclass(frozen=True, slots=True)
class Alert:
    """`message_id` or `severity` is what it waits for, the other is 0; `operators` are those in service whom
    it tells."""

    alert_name: str
    message_id: int
    severity: int
    is_enabled: bool
    operators: int

    @property
    def tells(self) -> bool:
        return self.is_enabled and self.operators > 0


class Alerts(SqlFacts[Alert]):
    def tells_of(self, message: int, severity: int = 0) -> bool:
        """Is somebody told of this message, by its number or by its severity?"""
        return any(
            one.tells and (one.message_id == message or (severity > 0 and one.severity == severity))
            for one in self.rows
        )


alerts = Section(
    name="sqlserver-alerts",
    facts=Alerts,
    collect={
        "sqlserver": Sql(
            (
                SqlVariant(
                    """
SELECT a.name AS alert_name, a.message_id AS message_id, a.severity AS severity,
       CASE WHEN a.enabled = 0 THEN 0 ELSE 1 END AS is_enabled,
       (SELECT COUNT(*) FROM msdb.dbo.sysnotifications AS n
        JOIN msdb.dbo.sysoperators AS o ON o.id = n.operator_id
        WHERE n.alert_id = a.id AND o.enabled = 1) AS operators
FROM msdb.dbo.sysalerts AS a
""",
                    reads=tuple(f"msdb.dbo.{name}" for name in _TABLES),
                    editions=WITH_AGENT,
                    rights=tuple(f"SELECT ON msdb.dbo.{name}" for name in _TABLES),
                ),
            ),
            row=Alert,
            most_rows=1000,
        )
    },
    parse=reader(Alerts, Alert),
    privacy="names of alerts, what they wait for, how many people they tell",
)


# --- damage -----------------------------------------------------------------------------------

# Severity 24 covers the first two; 825 is logged with severity 10 (MSSQLSERVER_825).
_DAMAGE = ((823, 24), (824, 24), (825, 0))


def check_damage(facts: Alerts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    for message, severity in _DAMAGE:
        item = f"error {message}"
        if facts.tells_of(message, severity):
            yield Passed(item=item)
        else:
            yield Finding(
                impact=Impact.LIMITED,
                function=RECOVERABILITY,
                message="silent",
                item=item,
                evidence={"alerts": Number(len(facts.rows))},
            )


damage = Probe(
    id="sqlserver.alerts-damage",
    title="Somebody is told when the storage damages a page",
    check=check_damage,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"silent": "No alert tells anybody of {item}, by which the server says that storage fails."},
    why="The first such error is days or weeks before the loss; later the back-ups hold the damage as well.",
    remedy=(
        "Set up Database Mail and an operator; in the Agent's properties, Alert System, Enable mail profile; "
        "restart the Agent. For 823, 824 and 825 each: EXEC msdb.dbo.sp_add_alert @name = N'Error 823', "
        "@message_id = 823, @severity = 0; EXEC msdb.dbo.sp_add_notification @alert_name = N'Error 823', "
        "@operator_name = N'operator', @notification_method = 1. The way back: sp_delete_alert."
    ),
    verify=(
        "SELECT name, message_id, enabled, has_notification FROM msdb.dbo.sysalerts shows all three with 1 "
        "and 1."
    ),
    rights=RIGHTS,
    references=("sp_add_alert (Transact-SQL), Microsoft Learn", "sp_Blitz checks 61 and 96"),
)


# --- severe errors ----------------------------------------------------------------------------

_SEVERE = range(19, 26)  # "Database Engine error severities", Microsoft Learn


def check_severe(facts: Alerts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    told = {one.severity for one in facts.rows if one.tells}
    missing = [severity for severity in _SEVERE if severity not in told]
    if not missing:
        yield Passed()
        return
    yield Finding(
        impact=Impact.LIMITED,
        function=SUPPORTABILITY,
        message="silent",
        evidence={"severities": Text(", ".join(map(str, missing))), "alerts": Number(len(facts.rows))},
    )


severe = Probe(
    id="sqlserver.alerts-severity",
    title="Somebody is told of every severe error",
    check=check_severe,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"silent": "No alert tells anybody of errors of the severities {severities}."},
    why="From severity 19 on the server itself is in trouble; nobody at the clinic reads its error log.",
    remedy=(
        "Set up Database Mail and an operator; in the Agent's properties, Alert System, Enable mail profile; "
        "restart the Agent. For each severity, 19 to 25: EXEC msdb.dbo.sp_add_alert @name = N'Severity 19', "
        "@severity = 19, @delay_between_responses = 60; EXEC msdb.dbo.sp_add_notification @alert_name = "
        "N'Severity 19', @operator_name = N'operator', @notification_method = 1. The way back: "
        "sp_delete_alert."
    ),
    verify="SELECT severity, enabled, has_notification FROM msdb.dbo.sysalerts shows 19 to 25 with 1 and 1.",
    rights=RIGHTS,
    references=("sp_add_alert (Transact-SQL), Microsoft Learn", "sp_Blitz checks 30 and 61"),
)


# --- alerts that tell nobody ------------------------------------------------------------------


def check_told(facts: Alerts, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    looked = [one for one in facts.rows if one.is_enabled]
    if not looked:
        yield NotApplicable(reason="no alert is enabled on this instance")
    for one in looked:
        if one.operators:
            yield Passed(item=one.alert_name, evidence={"operators": Number(one.operators)})
        else:
            yield Finding(
                impact=Impact.NOTE,
                function=SUPPORTABILITY,
                when=When.LATER,
                message="nobody",
                item=one.alert_name,
            )


told = Probe(
    id="sqlserver.alerts-told",
    title="Every alert tells somebody",
    check=check_told,
    levels=NoLevels(),
    kind="sqlserver",
    messages={"nobody": "The alert {item} goes off without telling anybody who is in service."},
    why="An alert without an operator was meant to be finished, and looks as if all were well.",
    remedy=(
        "EXEC msdb.dbo.sp_add_notification @alert_name = N'name', @operator_name = N'operator', "
        "@notification_method = 1, with an operator who is enabled and still works at the clinic. The way "
        "back: sp_delete_notification."
    ),
    verify="SELECT name, has_notification FROM msdb.dbo.sysalerts shows 1.",
    rights=RIGHTS,
    references=("sp_add_notification (Transact-SQL), Microsoft Learn", "sp_Blitz checks 31, 59 and 73"),
)
