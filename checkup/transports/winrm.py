"""Windows Remote Management, through pywinrm.

This module holds what the site file may say; the work is in the modules `winrm_…`, which import
pywinrm and requests and are imported only when a session is opened.
"""

from __future__ import annotations

import base64
import ipaddress
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from checkup.transports.connect import ConnectModel
from checkup.transports.session import (
    ConnectionFacts,
    Credential,
    Deadlines,
    LoginGate,
    TransportError,
    open_gate,
)

if TYPE_CHECKING:
    from checkup.transports.winrm_session import WinrmSession

Authentication = Literal["ntlm", "kerberos", "certificate", "basic"]

# SHA-256 in base64, as ssh-keygen and checkup itself write it, or in hexadecimal with or without colons.
FINGERPRINT_PATTERN = r"^(SHA256:([A-Za-z0-9+/]{43}=?|[0-9A-Fa-f]{64}|([0-9A-Fa-f]{2}:){31}[0-9A-Fa-f]{2}))?$"


class Connect(ConnectModel):
    """How to reach a machine by WinRM.

    On `http` every message is encrypted by NTLM or Kerberos itself. On `https`, `fingerprint` pins the
    machine's certificate and wins; without it `ca_file`, or else this station's own list of
    authorities, decides. `spn_host` is the name that Kerberos knows the machine by, where it differs
    from `host`.
    """

    transport: Literal["winrm"]
    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=0, ge=0, le=65535, description="0: 5985 for http, 5986 for https")
    scheme: Literal["http", "https"] = "http"
    auth: Authentication = "ntlm"
    credential: str = ""
    ca_file: str = ""
    fingerprint: str = Field(default="", pattern=FINGERPRINT_PATTERN)
    certificate_check: Literal["pinned", "ca", "ignore"] = "ca"
    spn_host: str = Field(default="", max_length=255)

    @model_validator(mode="after")
    def _safe(self) -> Connect:
        if self.scheme == "http":
            if self.auth in ("basic", "certificate"):
                raise ValueError(
                    f"auth: {self.auth} on http would be neither secret nor proven; use scheme: https, or "
                    "auth: ntlm or kerberos, which encrypt by themselves"
                )
            if self.ca_file or self.fingerprint or self.certificate_check != "ca":
                raise ValueError("ca_file, fingerprint and certificate_check need scheme: https")
        if self.auth == "basic" and self.certificate_check == "ignore":
            raise ValueError(
                "auth: basic shows the password to whoever answers, so the certificate must be checked: "
                "pin it with fingerprint:, or name the authority's ca_file:"
            )
        return self

    @model_validator(mode="after")
    def _one_way_to_check(self) -> Connect:
        if self.certificate_check == "pinned" and not self.fingerprint:
            raise ValueError('certificate_check: pinned needs fingerprint: "SHA256:..."')
        if self.certificate_check == "ignore" and (self.fingerprint or self.ca_file):
            raise ValueError("fingerprint or ca_file is given, so certificate_check: ignore must go")
        if self.fingerprint and self.ca_file:
            raise ValueError("fingerprint pins the certificate itself, so ca_file must go")
        return self

    @model_validator(mode="after")
    def _kerberos_knows_names(self) -> Connect:
        if self.spn_host and self.auth != "kerberos":
            raise ValueError("spn_host needs auth: kerberos")
        if self.auth == "kerberos" and not self.spn_host and _is_address(self.host):
            raise ValueError(
                "Kerberos knows machines by name, not by address: write the full name of the machine as "
                "host:, or as spn_host: beside the address"
            )
        return self

    @property
    def tcp_port(self) -> int:
        return self.port or (5986 if self.scheme == "https" else 5985)

    @property
    def pin(self) -> bytes:
        """The 32 bytes of `fingerprint`; b"" without one."""
        text = self.fingerprint.removeprefix("SHA256:")
        try:
            return bytes.fromhex(text.replace(":", ""))
        except ValueError:
            return base64.b64decode(text.rstrip("=") + "=")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def open_session(
    connect: Connect,
    *,
    credential: Credential | None,
    gate: LoginGate = open_gate,
    deadlines: Deadlines | None = None,
    facts: ConnectionFacts | None = None,
) -> WinrmSession:
    """Connect, check the certificate, log in and open a shell; may be called from many threads at once.

    `gate` is entered around each login, of which there are several where a connection is lost.
    `facts` is filled in as far as the connection came, also when this raises TransportError. A
    session whose shell alone is refused opens all the same, for `query`; `stream` then says why.
    """
    from checkup.transports.winrm_session import WinrmSession

    deadlines = deadlines or Deadlines()
    facts = facts or ConnectionFacts(transport="winrm")
    try:
        return WinrmSession.opened(
            connect, credential=credential, gate=gate, deadlines=deadlines, facts=facts
        )
    except TransportError as error:
        facts.error, facts.detail = error.error, error.detail
        raise
