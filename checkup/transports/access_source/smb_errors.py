"""What a file server's status numbers mean (the numbers: [MS-ERREF], 2.3.1). Pure functions."""

from __future__ import annotations

from collections.abc import Mapping

from checkup.api import ErrorClass
from checkup.jet.source import SourceError, SourceErrorKind
from checkup.transports.session import TransportError

END_OF_FILE = 0xC0000011
DELETE_PENDING = 0xC0000056
NO_SUCH_FILE = frozenset({0xC000000F, 0xC0000034, 0xC000003A, DELETE_PENDING})

_GONE: Mapping[int, str] = {
    0xC000000F: "there is no such file",
    0xC0000033: "this is no name that the server takes",
    0xC0000034: "there is no such file",
    0xC0000039: "this is no path that the server takes",
    0xC000003A: "there is no such folder",
    0xC000003B: "this is no path that the server takes",
    DELETE_PENDING: "it has been deleted, and goes as soon as nobody has it open any more",
    0xC00000BA: "this is a folder",
    0xC00000CB: "the share is none of files",  # a printer or a pipe
    0xC00000CC: "the server has no such share",
    0xC0000103: "a part of its path is no folder",
    0xC0000123: "it has been deleted",
    0x8000002D: "this is a link to another place: name that one",
    0xC0000257: "this name leads to another server (DFS): name that server and its own share",
}
_DENIED: Mapping[int, str] = {
    0xC0000022: "the account may not read it",
    0xC0000043: "somebody has it open for himself alone",
    0xC0000054: "somebody has locked a part of it",
    0xC00000CA: "the account may not use this share",
    0xC0000361: "a policy of the server forbids it",
}
_TIMEOUT = frozenset({0xC00000B5})
_BROKEN: Mapping[int, str] = {
    0xC0000032: "the file system of its disk is damaged",
    0xC000003F: "its disk cannot read this part of it",
    0xC000009C: "its disk cannot read this part of it",
    0xC0000102: "the file system of its disk is damaged",
    0xC0000185: "its disk cannot read this part of it",
    0xC00000C9: "the server has ended the connection to the share",
    0xC0000128: "the server has closed the file",
    0xC0000203: "the server has ended the session",
    0xC0000267: "it lies on a tape or in a cloud, and would have to be fetched first",
    0xC000026E: "its disk has gone",
    0xC000035C: "the login has expired",
}

# AUTH stops a credential for the whole run: only where the account's own state is the reason.
_LOGIN: Mapping[int, tuple[ErrorClass, str]] = {
    0xC000006A: (ErrorClass.AUTH, "is the password right?"),
    0xC000006D: (ErrorClass.AUTH, "are user and password right?"),
    0xC000006E: (ErrorClass.AUTH, "a restriction of the account forbids it; is its password empty?"),
    0xC000006F: (ErrorClass.AUTH, "the account may not log in at this hour"),
    0xC0000064: (ErrorClass.AUTH, "there is no such account"),
    0xC0000070: (ErrorClass.AUTH, "the account may not log in from this station"),
    0xC0000071: (ErrorClass.AUTH, "its password has expired"),
    0xC0000072: (ErrorClass.AUTH, "the account is disabled"),
    0xC000015B: (ErrorClass.AUTH, "the account may not log in over the network"),
    0xC0000193: (ErrorClass.AUTH, "the account has expired"),
    0xC0000224: (ErrorClass.AUTH, "the account must change its password first"),
    0xC0000234: (ErrorClass.AUTH, "the account is locked"),
    0xC0000413: (ErrorClass.AUTH, "a policy keeps the account from this server"),
    0xC0000022: (ErrorClass.DENIED, "the server takes no login from here: does it want Kerberos?"),
    0xC0000418: (ErrorClass.DISABLED, "NTLM is switched off here: use auth: kerberos"),
    0xC00000BB: (ErrorClass.DISABLED, "the server does not take this kind of login"),
    0xC000005E: (ErrorClass.UNREACHABLE, "the server reaches no domain controller"),
    0xC0000133: (ErrorClass.AUTH, "its clock and that of its domain differ too much"),
    0xC00000CE: (ErrorClass.QUOTA, "the server takes no further login"),
    0xC00000CF: (ErrorClass.DISABLED, "the server shares nothing at the moment"),
    0xC00000D0: (ErrorClass.QUOTA, "the server takes no further connection"),
    0xC0000205: (ErrorClass.QUOTA, "the server has no memory left for it"),
    0xC000009A: (ErrorClass.QUOTA, "the server has no memory left for it"),
}


def file_error(status: int, name: str) -> SourceError:
    """What it means that a request about the file `name` was answered with `status`."""
    kinds: tuple[tuple[SourceErrorKind, Mapping[int, str]], ...] = (
        ("gone", _GONE),
        ("denied", _DENIED),
        ("broken", _BROKEN),
    )
    for kind, table in kinds:
        if status in table:
            return SourceError(kind, f"{name}: {table[status]}")
    if status in _TIMEOUT:
        return SourceError("timeout", f"{name}: the server's disk did not answer in time")
    return SourceError("broken", f"{name}: the server could not do it (0x{status:08X})")


def login_error(status: int, where: str, shown: str) -> TransportError:
    """What it means that the login with `shown` was answered with `status`."""
    error, why = _LOGIN.get(status, (ErrorClass.AUTH, f"for a reason it gives as 0x{status:08X}"))
    return TransportError(error, f"{where} refused {shown}: {why}")
