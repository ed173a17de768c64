"""The fixed words of the report: what a priority, a state or an error means to its reader."""

from __future__ import annotations

from collections.abc import Mapping

from checkup.api import RECOVERABILITY, SUPPORTABILITY, ErrorClass, Visit
from checkup.assessment import Outcome, Priority, Trend

# Kinds of targets that have pages of their own: Access files, and instances of SQL engines by their titles.
ACCESS = "access"
SQL_ENGINES: Mapping[str, str] = {
    "sqlserver": "SQL Server",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB or MySQL",
}
# What facts come from, by `Source`.
SOURCES: Mapping[str, str] = {
    **SQL_ENGINES,
    "posix": "shell",
    "windows": "PowerShell",
    "cim": "WS-Management",
    "local": "the machine itself",
    "access": "the file itself",
    "connection": "the connection",
    "sampled": "samples of a busy hour",
}
OWN_PAGE = frozenset({ACCESS, *SQL_ENGINES})

VISITS: Mapping[Visit, str] = {
    Visit.THIRTY_DAY: "30-day post-installation check-up",
    Visit.SIX_MONTH: "Six-month check-up",
    Visit.TUNE_UP: "Tune-up analysis",
    Visit.INTERIM: "Interim check-up",
}

MEANING: Mapping[Priority, str] = {
    Priority.P1: "Stops the site's work, or will before the next visit, with no way round",
    Priority.P2: "A major function is prevented or at risk; there is a way round, or it is being decided",
    Priority.P3: "Limits use or is good practice; the work goes on",
    Priority.NOTE: "For information; not counted",
}

ACT: Mapping[Priority, str] = {
    Priority.P1: "act now",
    Priority.P2: "agree on a date",
    Priority.P3: "at the next planned visit",
    Priority.NOTE: "nothing to do",
}

# In the order in which a reader wants them.
CHANGES: Mapping[Trend, str] = {
    Trend.WORSENED: "Got worse",
    Trend.REOPENED: "Came back",
    Trend.NEW: "New",
    Trend.PERSISTS: "Still open",
    Trend.IMPROVED: "Better, still open",
    Trend.RESOLVED: "Resolved",
    Trend.NOT_COMPARABLE: "Not comparable (examined in another way than before)",
    Trend.FIRST: "First measurement",
}

# Functions that every site has, for readers who do not know our words for them.
FUNCTIONS: Mapping[str, str] = {
    RECOVERABILITY: "bringing data back after a loss",
    SUPPORTABILITY: "getting help from us",
}

RESULT: Mapping[Outcome, str] = {
    Outcome.FINDING: "Finding",
    Outcome.NOT_CHECKED: "Not checked",
    Outcome.PASSED: "Passed",
    Outcome.NOT_APPLICABLE: "Not applicable",
}

WHAT_IT_TAKES: Mapping[ErrorClass, str] = {
    ErrorClass.UNREACHABLE: "Switch the machine on, and open the way to it for the remote access.",
    ErrorClass.TLS: "Repair the certificate of the remote access, or name it in the site file.",
    ErrorClass.HOST_KEY: "Confirm the machine's host key by telephone, then enter it in the site file.",
    ErrorClass.IDENTITY: "Confirm that this address is the right machine; it did not say so itself.",
    ErrorClass.AUTH: "A valid account: name, key or password was refused.",
    ErrorClass.DENIED: "The right to read this, for the account that the check-up uses.",
    ErrorClass.DISABLED: "The feature that holds this information has to be switched on.",
    ErrorClass.QUOTA: "A higher limit for remote sessions on the machine.",
    ErrorClass.TIMEOUT: "A quieter hour, or more time: the machine did not answer in the time given.",
    ErrorClass.DROPPED: "A steadier connection: it broke before the answer was complete.",
    ErrorClass.BLOCKED_BY_AV: "An exception in the virus protection for the commands in the annex.",
    ErrorClass.CONSTRAINED: "A session without the restricted language mode, or a signed script.",
    ErrorClass.BAD_OUTPUT: "A look by the vendor: the machine's answer could not be read.",
    ErrorClass.UNSUPPORTED: "Nothing now: this system does not offer the information.",
    ErrorClass.PROTOCOL: "A look by the vendor: the remote access did not behave as it should.",
    ErrorClass.OPTED_OUT: "Nothing failed: it was left out as agreed, or is done when it is asked for.",
}
# Of a SQL instance, where that is another matter than with a machine.
WHAT_AN_INSTANCE_TAKES: Mapping[ErrorClass, str] = {
    ErrorClass.UNREACHABLE: "Start the server, and open its port to the station that runs the check-up.",
    ErrorClass.TLS: "A certificate on the server that the check-up's station trusts, or your word that it "
    "may connect without.",
    ErrorClass.AUTH: "A valid login: name or password was refused, or the account is locked or expired.",
    ErrorClass.DENIED: "The right to read this, for the login of the check-up.",
    ErrorClass.QUOTA: "A free connection on the server, or an hour with fewer users.",
    ErrorClass.TIMEOUT: "A quieter hour: the server was busy, or others' locks were in the way.",
    ErrorClass.UNSUPPORTED: "What the reason names, on the station that runs the check-up.",
}
GRANT_TO_RUN = "Let the database administrator run the script on the page of the instance."
# Of one database of an instance that answers.
WHAT_A_DATABASE_TAKES: Mapping[ErrorClass, str] = {
    ErrorClass.UNREACHABLE: "Bring the database online, or finish its restore; nothing, if it is meant to be "
    "closed.",
    ErrorClass.QUOTA: "A look of its own: there are more databases than one look reads.",
}
NO_ERROR_CLASS = "See the reason; what asks nothing of you, the vendor clears before the next check-up."
