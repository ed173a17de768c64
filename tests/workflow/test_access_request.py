"""`checkup access-request`: what the client's IS staff reads before, and around, a visit."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest

from checkup import catalogue
from checkup.api import PowerShell, Wmi
from checkup.workflow.access_needs import CIMV2, site_needs, visits
from checkup.workflow.access_requesting import needs_of
from checkup.workflow.prepare import prepare
from tests.workflow.conftest import Clinic, Ended, checkup, install_probe, pdf_text

NOWHERE = {"transport": "bundle", "file": "none"}

LAMPS = """
from collections.abc import Iterator
from dataclasses import dataclass

from checkup.api import (
    JSON, Context, NoLevels, Passed, PowerShell, Probe, Result, Section, Shell, Wmi, WmiQuery
)

@dataclass(frozen=True, slots=True)
class Attic:
    lit: bool

@dataclass(frozen=True, slots=True)
class Vault:
    lit: bool

def check_attic(facts: Attic, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed()

def check_vault(facts: Vault, levels: NoLevels, ctx: Context) -> Iterator[Result]:
    yield Passed()

script = "$rows = Wmi -Class 'MSFT_Lamp' -Namespace 'root\\\\attic' -Properties 'Lit'"
attic = Section(name="attic", facts=Attic, parse=lambda raw, source, version: Attic(True),
    collect={"windows": PowerShell(script, rights="event-log-reader"), "posix": Shell("echo")})
vault = Section(name="vault", facts=Vault, parse=lambda raw, source, version: Vault(True),
    collect={"windows": Wmi((WmiQuery("MSFT_Vault", ("Lit",), namespace="root\\\\vault"),),
                            rights="administrator")})
more = {"why": "w", "remedy": "r", "verify": "v", "messages": {}, "levels": NoLevels()}
attic_probe = Probe(id="own.attic", title="The attic is lit", check=check_attic, rights="root", **more)
vault_probe = Probe(id="own.vault", title="The vault is lit", check=check_vault, **more)
"""


@pytest.fixture
def practice(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Clinic:
    monkeypatch.syspath_prepend(install_probe(clinic.folder, LAMPS))
    monkeypatch.setenv("CLINIC_PASSWORD", "not asked for")
    clinic.credentials["win"] = {"user": "HARBOUR\\checkup", "password": "env:CLINIC_PASSWORD"}
    clinic.credentials["lin"] = {"user": "visitor", "agent": True}
    clinic.more["contacts"] = {
        "is_staff": {"name": "Jide Okafor", "phone": "+1-555-0142"},
        "engineer": {"name": "Adam Novak", "phone": "+1-555-0100"},
    }
    winrm = {"transport": "winrm", "credential": "win"}
    clinic.add("srv", {**winrm, "host": "srv.harbour.example"}, title="File server")
    clinic.add("ws-3", {**winrm, "host": "ws-3.harbour.example", "scheme": "https"})
    clinic.add("ws-4", NOWHERE, platform="windows")
    clinic.add("cath", NOWHERE, platform="windows", touch="never")
    clinic.add("db", {"transport": "ssh", "host": "db.harbour.example", "port": 2222, "credential": "lin"})
    return clinic


def ask(clinic: Clinic, *arguments: object) -> Ended:
    ended = checkup("access-request", clinic.site_file, *arguments)
    assert ended.status == 0, ended.err
    return ended


def words(ended: Ended) -> str:
    (html,) = [Path(line) for line in ended.out.splitlines() if line.endswith(".html")]
    text = re.sub(r"<style>.*?</style>", "", html.read_text(encoding="utf-8"), flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", text)).split())


def rights_of(clinic: Clinic) -> Iterator[tuple[str, str]]:
    for section in catalogue.load().sections.values():
        collector = section.collect.get("windows")
        if isinstance(collector, PowerShell | Wmi):
            yield section.name, collector.rights


def test_the_needs_are_those_of_the_collectors(practice: Clinic) -> None:
    needs = needs_of(prepare(practice.site_file, datetime.now(UTC)), None, datetime.now(UTC))
    machines = {one.host: one for one in needs.machines}
    assert needs.untouched == ("cath",)
    srv = machines["srv"]
    assert "attic" in srv.sections["event-log-reader"]
    assert "vault" in srv.sections["administrator"]
    assert {CIMV2, "root\\attic", "root\\vault"} <= set(srv.namespaces)
    assert (srv.port, srv.account, srv.encrypted) == (5985, "HARBOUR\\checkup", False)
    assert (machines["ws-3"].port, machines["ws-3"].encrypted) == (5986, True)
    assert machines["db"].sections == {}
    assert "root" in machines["db"].remarks
    given = {name: right for right, names in srv.sections.items() for name in names}
    assert given.items() <= dict(rights_of(practice)).items()
    assert "The vault is lit" in needs.lost_without("administrator")
    assert "The attic is lit" not in needs.lost_without("administrator")


def test_a_site_without_windows_asks_for_nothing_of_it(clinic: Clinic) -> None:
    clinic.add("db", NOWHERE)
    prepared = prepare(clinic.site_file, datetime.now(UTC))
    needs = needs_of(prepared, None, datetime.now(UTC))
    assert needs.windows == ()
    assert needs.namespaces == ()
    assert site_needs(prepared.site, prepared.catalogue, []).machines[0].remarks == ()
    assert len(visits()) == 3


@pytest.mark.usefixtures("paper")
def test_the_request_says_how_to_grant_verify_and_take_back(practice: Clinic) -> None:
    text = words(ask(practice, "--from-address", "203.0.113.7"))
    for told in (
        "HARBOUR\\checkup",
        "root\\attic",
        "root\\vault",
        "localport=5985 remoteip=203.0.113.7",
        "localport=5986 remoteip=203.0.113.7",
        'delete rule name="checkup 5985"',
        "Add-LocalGroupMember -SID S-1-5-32-580 -Member 'HARBOUR\\checkup'",
        "Remove-LocalGroupMember -SID S-1-5-32-573 -Member 'HARBOUR\\checkup'",
        "winrm configSDDL default",
        "To verify",
        "Level 2: an administrator for the hours of a visit",
        "Remove-LocalGroupMember -SID S-1-5-32-544",
        "The vault is lit",
        "On ws-4 nobody logs in",
        'restrict,from="203.0.113.7"',
        "usermod --lock --expiredate 1 visitor",
        "not even connected to: cath",
        "AllowUnencrypted",
    ):
        assert told in text, told
    assert "prompt" not in text.lower().replace("command prompt", "")
    assert "not asked for" not in text  # the password


@pytest.mark.usefixtures("paper")
def test_where_nobody_connects_no_right_is_asked_for(clinic: Clinic) -> None:
    clinic.add("ws-4", NOWHERE, platform="windows")
    text = words(ask(clinic))
    assert "On ws-4 nobody logs in" in text
    for unasked in ("netsh", "Add-LocalGroupMember -SID S-1-5-32-580", "winrm"):
        assert unasked not in text


@pytest.mark.usefixtures("paper")
def test_the_notice_says_when_where_from_who_and_which_script(practice: Clinic) -> None:
    given = ("--on", "2026-12-02", "--from", "18:00", "--to", "20:00", "--from-address", "203.0.113.7")
    text = words(ask(practice, "--visit", *given))
    for told in (
        "Notice of a check-up on 2 December 2026",
        "Wednesday, 2 December 2026, 18:00 to 20:00 (America/Denver)",
        "203.0.113.7",
        "HARBOUR\\checkup",
        "Security 4624, log-on type 3",
        "4103 and 4104",
        "WinRM/Operational 91",
        "Call Adam Novak, +1-555-0100",
        "ws-4 none: a script is run there by hand nobody logs in nothing is sent",
    ):
        assert told in text, told
    assert len(set(re.findall(r"\b[0-9a-f]{64}\b", text))) == 3
    assert "cath" in text


@pytest.mark.usefixtures("paper")
def test_the_hash_of_the_notice_is_that_of_the_ledger(clinic: Clinic) -> None:
    """Once a machine was seen, its script depends on nothing that is only known on the day."""
    clinic.add_local("here")
    assert checkup("collect", clinic.site_file, "--visit", "tune-up", "--only", "host.uptime").status == 0
    plan = checkup("plan", clinic.site_file, "--visit", "six-month", "--batch", "--no-commands").out
    script = plan[plan.index("# A check-up of here") :].rstrip("\n") + "\n"
    clinic.more["contract"] = {
        "package": "premium",
        "installed": "400 days ago",
        "onsite": ["182 days ago"],
        "delivered": [{"visit": "30-day", "on": "366 days ago"}, {"visit": "tune-up", "on": "180 days ago"}],
    }
    text = words(ask(clinic, "--visit"))
    assert hashlib.sha256(script.encode()).hexdigest() in text


@pytest.mark.usefixtures("paper")
def test_afterwards_it_says_what_ran_and_what_to_take_back(clinic: Clinic) -> None:
    clinic.add_local("here")
    clinic.add_bundle("brought")
    run = checkup("collect", clinic.site_file, "--visit", "interim", "--only", "host.uptime").out.strip()
    with clinic.store() as store:
        (entry,) = store.ledger([run])
    text = words(ask(clinic, "--after", run))
    assert entry.sha256 in text
    assert f"{entry.sent_bytes:,} / " in text
    assert "Run by you, and brought as a file: brought." in text
    assert "no account was used over the network" in text
    missing = checkup("access-request", clinic.site_file, "--after", "no-such-run")
    assert missing.status == 4
    assert checkup("access-request", clinic.site_file, "--visit", "--after", run).status == 2


@pytest.mark.usefixtures("paper")
def test_hostile_names_are_text_and_the_file_fetches_nothing(practice: Clinic) -> None:
    practice.hosts[0]["title"] = "<img src=x onerror=alert(1)>"
    ended = ask(practice)
    (html,) = [Path(line) for line in ended.out.splitlines() if line.endswith(".html")]
    text = html.read_text(encoding="utf-8")
    assert "<img" not in text
    assert "asset:" not in text and "url(" not in text


@pytest.mark.slow
def test_the_paper_is_a_pdf(practice: Clinic) -> None:
    ended = ask(practice, "--visit", "--on", "2026-12-02", "--output", "papers/notice.pdf")
    text = pdf_text(practice.folder / "papers" / "notice.pdf")
    assert "Notice of a check-up" in text
    assert text.count("\f") == 1  # one page
    assert ended.out.split() == ["papers/notice.pdf", "papers/notice.html"]
