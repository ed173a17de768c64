"""How the site file says where an Access file lies and how to reach it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from checkup.transports.connect import ConnectModel

SmbAuthentication = Literal["ntlm", "kerberos"]

# A share has no folder in its name, and none of the characters that Windows refuses in names.
SHARE_PATTERN = r'^[^\\/:*?"<>|\x00-\x1f]{1,80}$'


class SmbConnect(ConnectModel):
    """How to reach a file server by SMB 2 or 3, at its port 445.

    `spn_host` is the name that Kerberos knows the machine by, where it differs from `host`; `jump` is the
    SSH jump host that the connection goes through.
    """

    transport: Literal["smb"]
    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=445, ge=1, le=65535)
    auth: SmbAuthentication = "ntlm"
    credential: str = ""
    spn_host: str = Field(default="", max_length=255)
    jump: str = ""


class SmbPlace(SmbConnect):
    """A file on a share: `path` is below the share, with either slash."""

    share: str = Field(pattern=SHARE_PATTERN)
    path: str = Field(min_length=1, max_length=1000)

    @property
    def below(self) -> str:
        """The file as `Files.open` of a file server takes it."""
        return f"{self.share}/{self.path}"


class SftpPlace(ConnectModel):
    """A file as the endpoint's SSH server names it; without `path`, the file's own is taken.

    The endpoint's `connect:` says how to get there, and its connection is used.
    """

    transport: Literal["sftp"]
    path: str = Field(default="", max_length=1000)


class ServerPagesPlace(ConnectModel):
    """The Windows machine that owns the disk hands out the pages itself, as part of its batch or bundle."""

    transport: Literal["server-pages"]


class OdbcPlace(ConnectModel):
    """The file is read on this machine, and its tables are counted once more by an ODBC driver.

    `path`: as this machine names the file; without it, the file's own. `driver`: MDBTools, on Windows
    Microsoft's for Access, unless another is named. Every driver but MDBTools leaves a lock file beside the
    file while it has it open, so it is used on a copy (`backup_of:`), or with `allow_lock_file: true`.
    """

    transport: Literal["odbc"]
    path: str = Field(default="", max_length=1000)
    driver: str | None = Field(default=None, pattern=r"^[^{};=]{1,120}$")
    allow_lock_file: bool = False


Place = Annotated[SmbPlace | SftpPlace | ServerPagesPlace | OdbcPlace, Field(discriminator="transport")]


class AccessFile(ConnectModel):
    """One Access file: a target of kind "access", served by the host that owns the disk.

    `path` is the file as that host itself names it, like D:\\Data\\clinic_be.accdb or /srv/data/clinic.mdb.
    Without `reach`: by SFTP where the host is reached by SSH, read in place where the host is this machine,
    and by the batch where it is a Windows machine reached by WinRM or by a bundle.
    """

    id: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    title: str = Field(default="", max_length=300)
    host: str = Field(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
    path: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f]+$")
    reach: Place | None = None
    role: Literal["back-end", "front-end", "backup-copy"] = "back-end"
    backup_of: str = ""

    @model_validator(mode="after")
    def _copy_of_something(self) -> AccessFile:
        if (self.role == "backup-copy") != bool(self.backup_of):
            raise ValueError(
                "backup_of: names the file that this one is a copy of; it goes with role: backup-copy"
            )
        return self
