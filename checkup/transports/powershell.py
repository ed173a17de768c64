"""Why a Windows machine's PowerShell did not run the batch, by whatever way it was started."""

from __future__ import annotations

import re

from checkup.api import ErrorClass
from checkup.batch.powershell import LANGUAGE_MARK
from checkup.clean import clean_line
from checkup.transports.clixml import errors
from checkup.transports.session import TransportError

# The error's identifier, which is the same in every language of Windows.
_MALICIOUS = b"ScriptContainedMaliciousContent"

_LANGUAGE = re.compile(rb"^" + re.escape(LANGUAGE_MARK) + rb"([A-Za-z]{1,40})\r?$", re.MULTILINE)

_KEPT_HEAD = 4096
_KEPT_STDERR = 64 * 1024


class Complaints:
    """What a batch's run said that is not its frames: kept as it comes, judged at its end."""

    def __init__(self) -> None:
        self._head = b""
        self._stderr = b""

    def keep(self, stdout: bytes, stderr: bytes) -> None:
        self._head += stdout[: _KEPT_HEAD - len(self._head)]
        # The first error is the one that tells why; those behind it follow from it.
        self._stderr += stderr[: _KEPT_STDERR - len(self._stderr)]

    def refusal(self, where: str, exit_code: int) -> TransportError | None:
        """Why no batch ran; None where one did, whether or not to its end."""
        mode = _language_mode(self._head)
        if mode and mode != "FullLanguage":
            return TransportError(
                ErrorClass.CONSTRAINED,
                f"{where} allows PowerShell only in {mode} (AppLocker, or Windows Defender Application "
                "Control), in which the batch cannot run; ask for an exception for this account",
            )
        if exit_code == 0:
            return None
        if _MALICIOUS in self._stderr:
            return TransportError(
                ErrorClass.BLOCKED_BY_AV,
                f"the protection software of {where} took the batch for malicious and stopped it; ask the "
                "client's IS staff to look at its log and to allow the batch",
            )
        if not self._head:
            said = clean_line(errors(self._stderr), 150) or "it said nothing"
            return TransportError(
                ErrorClass.UNSUPPORTED,
                f"{where} did not run the batch in PowerShell (exit status {exit_code}): {said}",
            )
        return None


def _language_mode(head: bytes) -> str:
    found = _LANGUAGE.search(head)
    return found[1].decode("ascii") if found else ""
