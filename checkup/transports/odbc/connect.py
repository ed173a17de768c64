"""How the site file says where a SQL instance is and how to reach it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field, model_validator

from checkup.sql.engine import EngineName
from checkup.transports.connect import ConnectModel

Encryption = Literal["validated", "unvalidated", "clear"]

PORTS: Final[Mapping[EngineName, int]] = {"sqlserver": 1433, "postgresql": 5432, "mariadb": 3306}
TITLES: Final[Mapping[EngineName, str]] = {
    "sqlserver": "SQL Server",
    "postgresql": "PostgreSQL",
    "mariadb": "MariaDB or MySQL",
}

# Names as they may stand in a file of FreeTDS and in a SQL Server's address: no white space, and nothing
# that divides settings. The instance is written apart.
_NAME = r"^[^\s;,{}\[\]=\\/#]*$"
_ONE_LINE = r"^[^\x00-\x1f]*$"


class SqlPlace(ConnectModel):
    """How to reach a SQL instance.

    `server` and `port` are where it listens; a SQL Server's `instance` without a port is asked for at its
    SQL Server Browser. `database` is where to log in, by default one that every instance has. `via` is the
    SSH host that the connection goes through. `driver` is an ODBC driver's name or the path of its library.

    `encryption`: "validated" wants TLS and a certificate that `ca_file`, or else this station's own list of
    authorities, vouches for; "unvalidated" wants TLS from whoever answers; "clear" is for a server that has
    no TLS of today: whoever is on the line between can read all, the password too.

    `spn_host` is the name that Kerberos knows the machine by, where it differs from `server`.
    """

    engine: EngineName
    server: str = Field(default="", max_length=255, pattern=_NAME)
    port: int | None = Field(default=None, ge=1, le=65535)
    instance: str = Field(default="", max_length=128, pattern=_NAME)
    database: str = Field(default="", max_length=128, pattern=_ONE_LINE)
    credential: str = ""
    encryption: Encryption = "validated"
    ca_file: str = Field(default="", max_length=1000, pattern=_ONE_LINE)
    via: str = ""
    driver: str = Field(default="", max_length=1000, pattern=_ONE_LINE)
    spn_host: str = Field(default="", max_length=255, pattern=_NAME)

    @model_validator(mode="after")
    def _can_be_found(self) -> SqlPlace:
        if self.instance and self.engine != "sqlserver":
            raise ValueError("instance: is a SQL Server's; other engines are told apart by port:")
        if self.via and self.instance and not self.port:
            raise ValueError(
                "a SQL Server Browser cannot be asked through via:, which carries no UDP; write port: (it "
                "stands in the SQL Server Configuration Manager, TCP/IP, IPAll)"
            )
        if self.ca_file and self.encryption != "validated":
            raise ValueError("ca_file: needs encryption: validated")
        return self

    @property
    def default_port(self) -> int:
        return PORTS[self.engine]

    @property
    def engine_title(self) -> str:
        return TITLES[self.engine]
