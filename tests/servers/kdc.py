"""A real MIT key distribution centre of a realm made for the test, and a server's half of Kerberos."""

from __future__ import annotations

import base64
import importlib.util
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# The key distribution centre and its tools live where an ordinary account's PATH does not look.
_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_PROGRAMS = ("krb5kdc", "kdb5_util", "kadmin.local", "kinit")
MISSING = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
if importlib.util.find_spec("kerberos") is None:
    MISSING.append("the extra kerberos (pykerberos)")

needs_kdc = pytest.mark.skipif(
    bool(MISSING), reason=f"needs krb5-kdc, krb5-admin-server, krb5-user and pykerberos; without {MISSING}"
)

REALM = "CLINIC.EXAMPLE"


@dataclass(frozen=True)
class Kdc:
    """`environment` is what a process needs to find this realm and nothing else of the computer's."""

    folder: Path
    port: int
    environment: dict[str, str]

    def add(self, principal: str, password: str) -> None:
        self._admin(f"addprinc -pw {password} {principal}")

    def add_random(self, principal: str) -> None:
        """With a key that nobody knows."""
        self._admin(f"addprinc -randkey {principal}")

    def keytab(self, principal: str) -> Path:
        """A file with the keys of a principal, new ones with every call; the principal is made if need be."""
        path = self.folder / f"{principal.replace('/', '_')}.keytab"
        path.unlink(missing_ok=True)
        self.add_random(principal)
        self._admin(f"ktadd -k {path} {principal}")
        return path

    def change_keys(self, principal: str) -> None:
        """So that the tickets made before are of no use."""
        self._admin(f"cpw -randkey {principal}")

    def modify(self, principal: str, what: str) -> None:
        self._admin(f"modprinc {what} {principal}")

    def kinit(self, principal: str, password: str, *options: str) -> Path:
        """A ticket, in a cache of its own."""
        cache = self.folder / f"cache-{principal}"
        subprocess.run(
            [_program("kinit"), *options, "-c", str(cache), principal],
            input=password.encode() + b"\n",
            env={**self.environment, "PATH": _PATH},
            check=True,
            capture_output=True,
        )
        return cache

    def _admin(self, command: str) -> None:
        _run(["kadmin.local", "-r", REALM, "-q", command], self.environment)


@contextmanager
def kdc(folder: Path) -> Iterator[Kdc]:
    """Needs no rights: it serves a free port of loopback, and keeps all its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    (folder / "krb5.conf").write_text(
        f"""[libdefaults]
    default_realm = {REALM}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    udp_preference_limit = 1
    default_ccache_name = FILE:{folder}/nobody
[realms]
    {REALM} = {{
        kdc = 127.0.0.1:{port}
    }}
""",
        encoding="utf-8",
    )
    (folder / "kdc.conf").write_text(
        f"""[kdcdefaults]
    kdc_listen = 127.0.0.1:{port}
    kdc_tcp_listen = 127.0.0.1:{port}
[realms]
    {REALM} = {{
        database_name = {folder}/principal
        key_stash_file = {folder}/stash
        acl_file = {folder}/kadm5.acl
        supported_enctypes = aes256-cts-hmac-sha1-96:normal
    }}
[logging]
    kdc = FILE:{folder}/log
""",
        encoding="utf-8",
    )
    environment = {
        "KRB5_CONFIG": str(folder / "krb5.conf"),
        "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
        "KRB5RCACHENAME": "none:",
    }
    _run(["kdb5_util", "create", "-s", "-r", REALM, "-P", "not a secret"], environment)
    process = subprocess.Popen(
        [_program("krb5kdc"), "-n", "-r", REALM, "-P", str(folder / "pid")],
        env={**environment, "PATH": _PATH},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_until_it_listens(process, port)
        yield Kdc(folder, port, environment)
    finally:
        process.terminate()
        process.wait(5)


class KerberosAcceptor:
    """The server's half, for `WinrmServer(acceptor=...)`; its keys are those of KRB5_KTNAME.

    pykerberos has no functions to seal for a server; those for a client look at nothing of the context
    but what both have.
    """

    def __init__(self, binding: bytes | None = None) -> None:
        import kerberos  # pyright: ignore[reportMissingImports] - an extra, built for the tests

        self._kerberos: Any = kerberos
        self._context: Any = None
        self.complete = False
        self.account = ""

    def step(self, token: bytes) -> bytes:
        _, self._context = self._kerberos.authGSSServerInit("HTTP")
        result = self._kerberos.authGSSServerStep(self._context, base64.b64encode(token).decode())
        self.complete = result == self._kerberos.AUTH_GSS_COMPLETE
        self.account = self._kerberos.authGSSServerUserName(self._context) or ""
        return base64.b64decode(self._kerberos.authGSSServerResponse(self._context) or "")

    def seal(self, message: bytes) -> tuple[bytes, bytes]:
        sealed, header = self._kerberos.authGSSWinRMEncryptMessage(self._context, message)
        return header, sealed

    def unseal(self, signature: bytes, sealed: bytes) -> bytes:
        return self._kerberos.authGSSWinRMDecryptMessage(self._context, sealed, signature)


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    assert found is not None, name
    return found


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(
        [_program(command[0]), *command[1:]],
        env={**environment, "PATH": _PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(500):
        assert process.poll() is None, "the key distribution centre did not start"
        try:
            socket.create_connection(("127.0.0.1", port), 0.1).close()
            return
        except OSError:
            time.sleep(0.01)
    raise RuntimeError("the key distribution centre does not listen")
