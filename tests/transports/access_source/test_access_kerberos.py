"""Logging in to a file server by Kerberos, with a real key distribution centre."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checkup.api import ErrorClass
from checkup.transports import Credential, LoginGate, TransportError, open_gate
from checkup.transports.access_source import Files, SmbAddress, open_smb
from tests.servers.kdc import REALM, Kdc, kdc, needs_kdc
from tests.servers.samba import Samba, needs_samba
from tests.transports.access_source.conftest import Disk, smb_disk

_MISSING = [name for name in ("gssapi", "krb5") if importlib.util.find_spec(name) is None]
pytestmark = [
    needs_kdc,
    needs_samba,
    pytest.mark.skipif(bool(_MISSING), reason=f"needs the extra kerberos; without {_MISSING}"),
]


@dataclass(frozen=True)
class Domain:
    kdc: Kdc
    disk: Disk
    user: str

    def open(self, credential: Credential, *, host: str = "localhost", gate: LoginGate = open_gate) -> Files:
        address = self.disk.address(self.disk.put("clinic_be.accdb", b"0123456789"))
        assert isinstance(address, SmbAddress)
        connect = address.connect.model_copy(update={"auth": "kerberos", "spn_host": host})
        return open_smb(connect, credential=credential, gate=gate)


@pytest.fixture
def domain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Domain]:
    with kdc(tmp_path / "kdc") as realm:
        keytab = realm.keytab("cifs/localhost")
        # Without a domain, Samba refuses tickets that carry what only a domain controller may say.
        realm.modify("cifs/localhost", "+no_auth_data_required")
        for name, value in realm.environment.items():
            monkeypatch.setenv(name, value)
        options = {
            "realm": REALM,
            "kerberos method": "dedicated keytab",
            "dedicated keytab file": f"FILE:{keytab}",
        }
        with smb_disk(options=options, environment=realm.environment) as disk:
            assert isinstance(disk.server, Samba)
            yield Domain(realm, disk, disk.server.user)


def test_a_keytab_and_a_ticket_let_in(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    principal = f"{domain.user}@{REALM}"
    keytab = domain.kdc.keytab(domain.user)
    credential = Credential(name="domain", user=principal, keytab=str(keytab))
    files = domain.open(credential)
    assert files.open("data/clinic_be.accdb").read([(2, 3)]) == [b"234"]
    assert files.facts.algorithms == "signed"
    files.close()

    domain.kdc.add("eva", "only-for-a-test")
    domain.kdc.modify("eva", "+requires_preauth")
    monkeypatch.setenv("KRB5CCNAME", f"FILE:{domain.kdc.kinit('eva', 'only-for-a-test')}")
    with pytest.raises(TransportError) as caught:  # a ticket of an account that the server does not know
        domain.open(Credential(name="domain", user=f"eva@{REALM}", ticket=True))
    assert caught.value.error in (ErrorClass.AUTH, ErrorClass.DENIED)


@dataclass
class Gate:
    """Counts how many logins left it as refused."""

    refused: int = 0

    @contextmanager
    def __call__(self, credential: Credential) -> Iterator[None]:
        try:
            yield
        except TransportError:
            self.refused += 1
            raise


def test_only_what_was_judged_counts_against_a_credential(
    domain: Domain, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Gate()

    def detail(credential: Credential, host: str = "localhost") -> str:
        with pytest.raises(TransportError) as caught:
            domain.open(credential, host=host, gate=gate)
        assert caught.value.error is ErrorClass.AUTH
        return caught.value.detail

    monkeypatch.setenv("KRB5CCNAME", f"FILE:{tmp_path / 'nothing'}")
    ticket = Credential(name="domain", user=f"eva@{REALM}", ticket=True)
    assert "the Kerberos ticket of eva" in detail(ticket)
    keytab = domain.kdc.keytab(domain.user)
    known = replace(ticket, user=f"{domain.user}@{REALM}", keytab=str(keytab), ticket=False)
    assert "not found in Kerberos database" in detail(known, "no-such-server.example")
    assert gate.refused == 0
    domain.kdc.change_keys(domain.user)
    domain.kdc.modify(domain.user, "+requires_preauth")
    detail(known)
    assert gate.refused == 1
