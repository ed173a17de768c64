"""The fixed words of the report: what a priority, a state or an error means to its reader."""

from __future__ import annotations

from collections.abc import Mapping

from checkup.api import ErrorClass, Visit
from checkup.assessment import Outcome, Priority, Trend

# The kind of target that is an Access file: it has a page of its own.
ACCESS = "access"

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
    ErrorClass.OPTED_OUT: "Your consent in the site file: this machine was left alone as agreed.",
}
NO_ERROR_CLASS = "See the reason; the vendor clears it before the next check-up."
