"""Connection strings, in each driver's own words; pure. They hold the password: for the driver alone."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from checkup.sql.engine import EngineName
from checkup.transports.odbc.connect import Encryption
from checkup.transports.odbc.drivers import Driver
from checkup.transports.odbc.login import Login

# SQL Server is logged in to here and the database entered afterwards: a database that cannot be opened would
# look like a wrong password otherwise (18456 follows upon 4060).
_LOGIN_DATABASE: Final[Mapping[EngineName, str]] = {
    "sqlserver": "master",
    "postgresql": "postgres",
    "mariadb": "information_schema",
}

# FreeTDS finds its settings under this name, in a file of the session's own.
_SERVER_NAME = "checkup"
_FREETDS_FILE = "freetds.conf"
AUTHORITIES_FILE = "authorities.pem"

# These variables speak into every connection of a driver, or have it write down what it sends.
_UNWANTED: Final = (
    *("FREETDS", "FREETDSCONF", "TDSVER", "TDSPORT", "TDSHOST", "TDSQUERY", "TDSDUMP", "TDSDUMPCONFIG"),
    *("PGHOST", "PGHOSTADDR", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGSERVICE"),
    *("PGSERVICEFILE", "PGOPTIONS", "PGAPPNAME", "PGSSLMODE", "PGREQUIRESSL", "PGSSLCERT", "PGSSLKEY"),
    *("PGSSLROOTCERT", "PGSSLCRL", "PGSSLCRLDIR", "PGGSSENCMODE", "PGCHANNELBINDING", "PGREQUIREAUTH"),
    *("PGCLIENTENCODING", "PGTZ", "PGDATESTYLE", "PGTARGETSESSIONATTRS", "PGKRBSRVNAME", "PGREQUIREPEER"),
)


@dataclass(frozen=True, kw_only=True)
class Way:
    """One connection. `host` and `port` are dialled, `name` is the server's own (another one behind a
    tunnel). `certificate` is what it showed before, in DER, and `certificate_name` a name that this holds.
    `authorities` is a file of certificates, `authorities_text` what to write into it for the login where it
    is not there already.
    """

    engine: EngineName
    driver: Driver
    login: Login = field(repr=False)
    host: str
    port: int
    name: str
    database: str = ""
    encryption: Encryption
    authorities: str = ""
    authorities_text: str = ""
    own_authorities: bool = False  # the site file names them, they are not this station's
    certificate: bytes = b""
    certificate_name: str = ""
    spn: str = ""  # Kerberos' name for the service
    application: str = "checkup"
    login_s: int = 30

    @property
    def tunnelled(self) -> bool:
        return self.host != self.name

    @property
    def login_database(self) -> str:
        wanted = "" if self.engine == "sqlserver" else self.database
        return wanted or _LOGIN_DATABASE[self.engine]


def connection_string(way: Way) -> str:
    """Raises ValueError, with words for people, for a value that the driver's grammar cannot hold."""
    write = _freetds_value if way.driver.family == "freetds" else braced
    if way.driver.family == "psqlodbc":
        write = _psqlodbc_value
    keywords = {"DRIVER": braced("", way.driver.location)}
    keywords |= {name: write(name, value) for name, value in _KEYWORDS[way.driver.family](way).items()}
    return ";".join(f"{name}={value}" for name, value in keywords.items()) + ";"


# A value of these alone needs no braces.
_PLAIN = re.compile(r"^[A-Za-z0-9_.:,/-]*$")


def braced(_: str, value: str) -> str:
    """A value as the ODBC reference has it ("SQLDriverConnect"): in braces, the closing one twice."""
    return value if _PLAIN.match(value) else "{" + value.replace("}", "}}") + "}"


# --- SQL Server -------------------------------------------------------------------------------


def _freetds(way: Way) -> dict[str, str]:
    keywords = {
        "SERVERNAME": _SERVER_NAME,
        "DATABASE": way.login_database,
        "APP": way.application,
        "ApplicationIntent": "ReadOnly",
    }
    if way.login.password is None:
        return {**keywords, "Trusted_Connection": "Yes", "ServerSPN": way.spn}
    return {**keywords, "UID": way.login.user, "PWD": way.login.password}


def _freetds_value(name: str, value: str) -> str:
    """FreeTDS (1.3 at least) takes braces off and nothing else, and finds their end by "};"."""
    if ";" not in value and not value.startswith("{"):
        return value
    if "};" in value:
        raise ValueError(f"FreeTDS takes no {_MEANING[name]} with the characters }}; one after the other")
    return "{" + value + "}"


_MEANING: Final = {"UID": "user", "PWD": "password", "DATABASE": "database name"}


def freetds_file(way: Way) -> str:
    """The settings of FreeTDS, some of which it takes from a file alone ("freetds.conf", user guide).

    "require" is the only one of its words that refuses a connection in clear. Without a file of authorities
    it believes any certificate; it knows no other name for it than that of the host.
    """
    lines = {
        "host": way.host,
        "port": str(way.port),
        "tds version": "7.4",
        "client charset": "UTF-8",
        "connect timeout": str(way.login_s),
        "encryption": "off" if way.encryption == "clear" else "require",
    }
    if way.encryption == "validated":
        lines["ca file"] = way.authorities if way.own_authorities else "system"
        lines["check certificate hostname"] = "no" if way.tunnelled else "yes"
    return f"[{_SERVER_NAME}]\n" + "".join(f"\t{name} = {value}\n" for name, value in lines.items())


def _microsoft(way: Way) -> dict[str, str]:
    keywords = {
        "SERVER": f"tcp:{way.host},{way.port}",
        "DATABASE": way.login_database,
        "APP": way.application,
        "ApplicationIntent": "ReadOnly",
        "ConnectRetryCount": "0",  # no login but those that went through the gate
        "Encrypt": "no" if way.encryption == "clear" else "yes",
        "TrustServerCertificate": "no" if way.encryption == "validated" else "yes",
    }
    if way.encryption == "validated" and way.certificate_name and way.certificate_name != way.host:
        keywords["HostNameInCertificate"] = way.certificate_name
    if way.login.password is None:
        return {**keywords, "Trusted_Connection": "Yes", "ServerSPN": way.spn}
    return {**keywords, "UID": way.login.user, "PWD": way.login.password}


# --- PostgreSQL -------------------------------------------------------------------------------

_SSLMODES: Final[Mapping[Encryption, str]] = {
    "validated": "verify-full",
    "unvalidated": "require",
    "clear": "disable",
}


def _psqlodbc(way: Way) -> dict[str, str]:
    """What may hold any character goes in the options of libpq, which can say it."""
    options = {
        "dbname": way.login_database,
        "user": way.login.user,
        "application_name": way.application,
        "gssencmode": "disable",  # what is reported is TLS
    }
    if way.tunnelled:
        options["hostaddr"] = way.host
    if way.encryption == "validated":
        options["sslrootcert"] = way.authorities
    return {
        "SERVER": way.name,
        "PORT": str(way.port),
        "PWD": way.login.password or "",
        "SSLMODE": _SSLMODES[way.encryption],
        "BoolsAsChar": "0",
        "PQOPT": " ".join(f"{name}={_libpq(value)}" for name, value in options.items()),
    }


def _psqlodbc_value(name: str, value: str) -> str:
    """psqlodbc takes braces off these two alone, and without them decodes them like parts of a URL."""
    return "{" + value.replace("}", "}}") + "}" if name in ("PWD", "PQOPT") else value


def _libpq(value: str) -> str:
    """A value of libpq's own connection strings."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


# --- MariaDB and MySQL ------------------------------------------------------------------------


def _mariadb(way: Way) -> dict[str, str]:
    keywords = {
        "SERVER": way.host,
        "PORT": str(way.port),
        "DATABASE": way.login_database,
        "UID": way.login.user,
        "PWD": way.login.password or "",
        "CONN_TIMEOUT": str(way.login_s),
    }
    if way.encryption != "clear":
        # FORCETLS alone goes on in clear with a server that has no TLS; with a fingerprint it does not. The
        # certificate itself was judged before, on the connection that it was first seen on. (This library
        # takes SHA-1 only.)
        shown = hashlib.sha1(way.certificate, usedforsecurity=False).hexdigest()
        keywords |= {"FORCETLS": "1", "TLSPEERFP": shown}
    return keywords


_MYSQL_MODES: Final[Mapping[Encryption, str]] = {
    "validated": "VERIFY_IDENTITY",
    "unvalidated": "REQUIRED",
    "clear": "DISABLED",
}


def _mysql(way: Way) -> dict[str, str]:
    """Connector/ODBC; behind a tunnel, where it cannot be told the server's name, it checks the authority."""
    mode = "VERIFY_CA" if way.tunnelled and way.encryption == "validated" else _MYSQL_MODES[way.encryption]
    keywords = {
        "SERVER": way.host,
        "PORT": str(way.port),
        "DATABASE": way.login_database,
        "UID": way.login.user,
        "PWD": way.login.password or "",
        "SSLMODE": mode,
    }
    return {**keywords, "SSLCA": way.authorities} if way.encryption == "validated" else keywords


_KEYWORDS: Final = {
    "freetds": _freetds,
    "microsoft": _microsoft,
    "psqlodbc": _psqlodbc,
    "mariadb": _mariadb,
    "mysql": _mysql,
}


# --- what a driver takes from its process -----------------------------------------------------


def connecting(way: Way, folder: Path) -> Mapping[str, Any]:
    """What the drivers' process is asked, to log in. Raises ValueError like `connection_string`."""
    return {
        "do": "connect",
        "text": connection_string(way),
        "timeout_s": way.login_s,
        "engine": way.engine,
        "folder": str(folder),
        "files": _files(way),
    }


def _files(way: Way) -> Mapping[str, str]:
    """What the driver reads from files when it logs in: their names and texts. None holds a secret."""
    needed = {_FREETDS_FILE: freetds_file(way)} if way.driver.family == "freetds" else {}
    return {**needed, AUTHORITIES_FILE: way.authorities_text} if way.authorities_text else needed


def variables(login: Login, ca_file: str, folder: Path) -> Mapping[str, str]:
    """Environment variables for the drivers' process; `folder` is to hold the files of its logins."""
    wanted = {"FREETDSCONF": str(folder / _FREETDS_FILE)}
    if ca_file:
        wanted["SSL_CERT_FILE"] = str(Path(ca_file).expanduser().absolute())  # for Microsoft's
    if login.keytab is not None:
        wanted["KRB5_CLIENT_KTNAME"] = f"FILE:{login.keytab.absolute()}"
        wanted["KRB5CCNAME"] = "MEMORY:checkup"
    return wanted


def without_unwanted(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.upper() not in _UNWANTED}
