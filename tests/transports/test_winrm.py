"""A batch over WinRM: what goes over the wire, how often, and what is left of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from checkup.api import ErrorClass
from checkup.batch.powershell import ARGUMENTS, BOOTSTRAP, LANGUAGE_MARK
from checkup.transports import ConnectionFacts, Credential, open_session
from checkup.transports import winrm_session as sessions
from checkup.transports.session import QuerySession
from tests.servers.winrm import Output, WinrmServer
from tests.servers.winrm import faults as server_faults
from tests.servers.winrm.shells import Quotas
from tests.servers.winrm.trouble import Trouble
from tests.transports.winrm_sessions import (
    ACCOUNTS,
    PASSWORD,
    Machine,
    connect_to,
    error_of,
    open_error,
    run,
    session_at,
)

BATCH = ["Create", "Command", "Send", "Receive", "Signal", "Delete"]


@pytest.mark.parametrize(
    ("tls", "auth", "legs"),
    [
        (None, "ntlm", 3),
        ("valid", "ntlm", 2),  # the first message of all takes part in the login
        ("valid", "basic", 0),
    ],
)
def test_a_batch_costs_so_many_requests_and_no_more(tls: Any, auth: str, legs: int) -> None:
    with WinrmServer(Machine(), ACCOUNTS, tls=tls) as server:
        with session_at(server, auth=auth) as session:
            assert run(session) == b"done\n"
        assert server.actions == ["Login"] * legs + BATCH
        assert len({request.connection for request in server.requests}) == 1
        assert server.shells == {}


def test_each_60_kB_of_script_and_each_answer_cost_one_request_more() -> None:
    outputs = [Output(stdout=b"x" * 300_000), Output(stdout=b"end", exit_code=0)]
    with WinrmServer(Machine(outputs), ACCOUNTS) as server:
        with session_at(server) as session:
            assert run(session, b"s" * 150_000) == b"x" * 300_000 + b"end"
        assert server.actions.count("Send") == 3
        # 300 kB in base64, in envelopes of 150 kB
        assert 3 <= server.actions.count("Receive") <= 10
        assert server.programs[0].stdin == b"s" * 150_000
        assert server.programs[0].input_ended


def test_powershell_is_started_as_the_batch_says() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server, session_at(server) as session:
        run(session)
        program = server.programs[0]
        assert program.command == "powershell.exe"
        assert " ".join(program.arguments) == " ".join((*ARGUMENTS, BOOTSTRAP))
        assert program.options["WINRS_SKIP_CMD_SHELL"].upper() == "TRUE"
        assert program.options["WINRS_CONSOLEMODE_STDIN"].upper() == "FALSE"


def test_output_is_handed_on_as_it_comes() -> None:
    outputs = [Output(stdout=b"one"), Output(stdout=b"two", delay_s=0.1), Output(delay_s=float("inf"))]
    with WinrmServer(Machine(outputs), ACCOUNTS) as server:
        with session_at(server) as session:
            output = session.stream(b"")
            assert [next(output), next(output)] == [b"one", b"two"]
            session.interrupt()
            assert list(output) == []
        assert server.shells == {}


def test_a_silent_batch_is_waited_for() -> None:
    outputs = [Output(stdout=b"late", delay_s=0.4, exit_code=0)]
    with WinrmServer(Machine(outputs), ACCOUNTS, wait_s=0.1) as server:
        with session_at(server) as session:
            assert run(session) == b"late"
        assert server.actions.count("Receive") >= 2


def test_the_facts_of_the_connection() -> None:
    facts = ConnectionFacts(transport="winrm")
    with WinrmServer(Machine(), ACCOUNTS) as server, session_at(server, facts=facts):
        assert facts.reached and facts.round_trip_s is not None
        assert facts.address == f"127.0.0.1:{server.port}"
        assert facts.server == "Microsoft-HTTPAPI/2.0"
        assert facts.error is None


def test_it_opens_through_the_front_door() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        session = open_session(connect_to(server), credential=PASSWORD)
        assert isinstance(session, QuerySession)
        session.close()


# --- more than one batch ---


def test_an_interrupt_ends_the_batch_and_the_next_one_gets_a_new_shell() -> None:
    machine = Machine([Output(stdout=b"begun"), Output(delay_s=float("inf"))])
    with WinrmServer(machine, ACCOUNTS) as server:
        with session_at(server) as session:
            output = session.stream(b"")
            assert next(output) == b"begun"
            threading.Timer(0.2, session.interrupt).start()  # while the other thread waits for an answer
            assert list(output) == []
            assert server.shells == {}
            assert server.programs[0].killed.is_set()
            machine.outputs = [Output(stdout=b"rest", exit_code=0)]
            assert run(session) == b"rest"
        assert server.shells == {}
        assert server.logins == [("checkup", True)] * 2


def test_an_interrupt_between_two_answers_needs_no_new_connection() -> None:
    machine = Machine([Output(stdout=b"begun"), Output(delay_s=float("inf"))])
    with WinrmServer(machine, ACCOUNTS) as server:
        with session_at(server) as session:
            for chunk in session.stream(b""):
                assert chunk == b"begun"
                session.interrupt()
        assert server.shells == {}
        assert server.logins == [("checkup", True)]


def test_a_connection_that_was_closed_meanwhile_is_made_anew() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", close_after=True))
        with session_at(server) as session:
            assert run(session) == b"done\n"
        assert server.actions == ["Login"] * 3 + ["Create"] + ["Login"] * 3 + BATCH[1:]
        assert server.logins == [("checkup", True)] * 2
        assert server.shells == {}


# --- what the machine may say instead ---


def test_a_machine_that_allows_no_full_language() -> None:
    early = [Output(stdout=LANGUAGE_MARK + b"ConstrainedLanguage\r\n", exit_code=86)]
    with WinrmServer(Machine(early=early), ACCOUNTS) as server:
        with session_at(server) as session:
            for _ in range(2):
                error_of(lambda: run(session), ErrorClass.CONSTRAINED, "ConstrainedLanguage")
        assert server.actions.count("Command") == 1  # it is not asked a second time
        assert server.shells == {}


CLIXML = (
    b'#< CLIXML\r\n<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">%b</Objs>'
)


def test_a_batch_that_protection_software_stopped() -> None:
    said = CLIXML % b'<S S="Error">+ FullyQualifiedErrorId : ScriptContainedMaliciousContent_x000D_</S>'
    with WinrmServer(Machine([Output(stderr=said, exit_code=1)]), ACCOUNTS) as server:
        with session_at(server) as session:
            error_of(lambda: run(session), ErrorClass.BLOCKED_BY_AV, "allow the batch")
        assert server.shells == {}


def test_a_powershell_that_does_not_start_says_why() -> None:
    early = [Output(stderr=CLIXML % b'<S S="Error">It is_x000D__x000A_broken</S>', exit_code=1)]
    with WinrmServer(Machine(early=early), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Send", fault=server_faults.PIPE_CLOSED))
        with session_at(server) as session:
            error_of(lambda: run(session), ErrorClass.UNSUPPORTED, "It is broken")
        assert server.actions.count("Receive") == 1
        assert server.shells == {}


def test_complaints_beside_a_batch_do_no_harm() -> None:
    outputs = [Output(stderr=b"x" * 500_000), Output(stdout=b"done", exit_code=0)]
    with WinrmServer(Machine(outputs), ACCOUNTS) as server, session_at(server) as session:
        assert run(session) == b"done"


def test_powershell_is_looked_for_by_cmd_where_it_is_not_found_without() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server, session_at(server) as session:
        server.trouble.append(Trouble(action="Command", fault=server_faults.FILE_NOT_FOUND))
        assert run(session) == b"done\n"
        assert server.programs[-1].options["WINRS_SKIP_CMD_SHELL"].upper() == "FALSE"


def test_an_old_code_page_is_taken_where_the_new_one_is_not() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", fault=server_faults.INVALID_PARAMETER))
        with session_at(server) as session:
            assert run(session) == b"done\n"
        assert server.actions.count("Create") == 2


# --- shells that are refused ---


@pytest.mark.parametrize(
    ("access", "error", "words"),
    [("denied", ErrorClass.DENIED, "RootSDDL"), ("off", ErrorClass.DISABLED, "AllowRemoteShellAccess")],
)
def test_a_session_without_a_shell_is_open_for_queries_all_the_same(
    access: Any, error: ErrorClass, words: str
) -> None:
    facts = ConnectionFacts(transport="winrm")
    with WinrmServer(Machine(), ACCOUNTS, remote_shells=access) as server:
        with session_at(server, facts=facts) as session:
            error_of(lambda: run(session), error, words)
        assert facts.error is None
        assert server.actions == ["Login"] * 3 + ["Create"]


@pytest.mark.parametrize("windows", ["2008 R2", "2022"])
def test_all_shells_taken_is_a_quota_after_one_more_try(windows: Any) -> None:
    with WinrmServer(
        Machine(), ACCOUNTS, windows=windows, quotas=Quotas(shells=0, operations=15, request_bytes=150 * 1024)
    ) as server:
        with session_at(server) as session:
            error_of(lambda: run(session), ErrorClass.QUOTA, "no shell left")
        assert server.actions.count("Create") == 2


def test_a_shell_that_becomes_free_is_taken() -> None:
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", fault=server_faults.too_many_shells(30, old=False)))
        with session_at(server) as session:
            assert run(session) == b"done\n"


def test_a_shell_with_its_operations_used_up_is_exchanged_once() -> None:
    used_up = server_faults.too_many_operations(1500, old=False)
    with WinrmServer(Machine(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Command", fault=used_up))
        with session_at(server) as session:
            assert run(session) == b"done\n"
        assert server.actions.count("Create") == 2
        assert server.shells == {}
        server.trouble.append(Trouble(action="Command", nth=0, fault=used_up))
        with session_at(server) as session:
            error_of(lambda: run(session), ErrorClass.QUOTA)
        assert server.shells == {}


# --- logging in ---


@pytest.mark.parametrize(("tls", "auth"), [(None, "ntlm"), ("valid", "ntlm"), ("valid", "basic")])
def test_a_wrong_password_is_shown_once(monkeypatch: pytest.MonkeyPatch, tls: Any, auth: str) -> None:
    monkeypatch.setenv("TEST_PASSWORD", "wrong")
    gate = Gate()
    with WinrmServer(Machine(), ACCOUNTS, tls=tls) as server:
        caught = open_error(server, ErrorClass.AUTH, "refused the password", auth=auth, gate=gate)
        assert [accepted for _, accepted in server.logins] == [False]
        assert server.actions.count("Create") <= 1
    assert "wrong" not in caught.detail.replace("it is wrong", "")
    assert gate.heard == [ErrorClass.AUTH]


def test_a_locked_account_looks_the_same() -> None:
    with WinrmServer(Machine(), ACCOUNTS, locked=("checkup",)) as server:
        open_error(server, ErrorClass.AUTH, "locked")
        assert len(server.logins) == 1


def test_a_machine_that_blocks_ntlm_has_judged_nothing() -> None:
    gate = Gate()
    with WinrmServer(Machine(), ACCOUNTS, ntlm="no challenge", offers=("Negotiate",)) as server:
        open_error(server, ErrorClass.AUTH, "Restrict NTLM", gate=gate)
        assert server.logins == []
    assert gate.heard == ["Unjudged"]


def test_a_machine_that_refuses_ntlm_in_the_end_may_have_judged_it() -> None:
    gate = Gate()
    with WinrmServer(Machine(), ACCOUNTS, ntlm="refused", offers=("Negotiate",)) as server:
        open_error(server, ErrorClass.AUTH, "NTLM is blocked there", gate=gate)
    assert gate.heard == [ErrorClass.AUTH]


def test_a_machine_that_offers_no_ntlm_is_shown_nothing() -> None:
    gate = Gate()
    with WinrmServer(Machine(), ACCOUNTS, offers=("Kerberos", "Basic")) as server:
        open_error(server, ErrorClass.AUTH, "only kerberos, basic", gate=gate)
        assert server.logins == []
    assert gate.heard == ["Unjudged"]


def test_a_refused_shell_proves_the_credential() -> None:
    gate = Gate()
    with WinrmServer(Machine(), ACCOUNTS, remote_shells="denied") as server, session_at(server, gate=gate):
        pass
    assert gate.heard == [None]


def test_a_gate_that_is_closed_is_not_passed() -> None:
    def closed(credential: Credential) -> Any:
        raise sessions.TransportError(ErrorClass.AUTH, "not tried")

    with WinrmServer(Machine(), ACCOUNTS) as server:
        open_error(server, ErrorClass.AUTH, "not tried", gate=closed)
        assert server.requests == []


class Gate:
    """Notes how each login ended."""

    def __init__(self) -> None:
        self.heard: list[ErrorClass | str | None] = []

    @contextmanager
    def __call__(self, credential: Credential) -> Iterator[None]:
        assert credential is PASSWORD
        try:
            yield
        except sessions.TransportError as error:
            self.heard.append(error.error)
            raise
        except Exception as error:
            self.heard.append(type(error).__name__)
            raise
        self.heard.append(None)


@pytest.mark.parametrize(
    ("credential", "auth", "words"),
    [
        (None, "ntlm", "no credential is named"),
        (Credential(name="a", user="b", key="k"), "ntlm", "add a password:"),
        (Credential(name="a", user="b", password="env:NOT_SET"), "ntlm", "no such environment variable"),
        (
            Credential(name="a", user="b", password="env:TEST_PASSWORD"),
            "certificate",
            "add certificate: and key:",
        ),
        (Credential(name="a", user="b", password="env:TEST_PASSWORD"), "kerberos", "never used for Kerberos"),
        (
            Credential(name="a", user="b", certificate="nowhere", key="nowhere"),
            "certificate",
            "cannot be read",
        ),
    ],
)
def test_what_is_not_there_is_missed_before_the_machine_is_contacted(
    credential: Credential | None, auth: str, words: str
) -> None:
    with WinrmServer(Machine(), ACCOUNTS, tls="valid") as server:
        more = {"spn_host": "ws-3.clinic.example"} if auth == "kerberos" else {}
        open_error(server, ErrorClass.AUTH, words, credential=credential, auth=auth, **more)
        assert server.requests == []


KERBEROS = {"auth": "kerberos", "spn_host": "ws-3.clinic.example"}


def test_without_its_library_kerberos_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    credential = Credential(name="a", user="anna@CLINIC.EXAMPLE", ticket=True)
    with WinrmServer(Machine(), ACCOUNTS) as server:
        open_error(server, ErrorClass.UNSUPPORTED, "checkup[kerberos]", credential=credential, **KERBEROS)
        assert server.requests == []


def test_windows_knows_no_keytab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keytab = tmp_path / "keytab"
    keytab.touch()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr(sys, "platform", "win32")
    credential = Credential(name="a", user="anna@CLINIC.EXAMPLE", keytab=str(keytab))
    with WinrmServer(Machine(), ACCOUNTS) as server:
        open_error(server, ErrorClass.AUTH, "whoever is logged on", credential=credential, **KERBEROS)
        assert server.requests == []
