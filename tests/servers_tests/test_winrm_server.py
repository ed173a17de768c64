"""The WinRM server of the tests, as an unmodified pywinrm meets it."""

from __future__ import annotations

import base64
import os
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast
from xml.etree.ElementTree import ParseError

import pytest
import requests
import spnego
import xmltodict
from spnego.channel_bindings import GssChannelBindings
from spnego.exceptions import BadBindingsError
from winrm.exceptions import (
    InvalidCredentialsError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)
from winrm.protocol import Protocol
from winrm_client import ACCOUNTS, PASSWORD, Saying, client, command, post

from tests.servers.winrm import (
    PORTAL,
    UNAVAILABLE,
    Output,
    Trouble,
    WinrmServer,
    faults,
    make_certificate,
)
from tests.servers.winrm.accounts import Accounts, NtlmAcceptor
from tests.servers.winrm.sealed import CONTENT_TYPE, seal
from tests.servers.winrm.shells import Quotas

TICK_S = 0.1


def one_batch(
    server: WinrmServer, transport: str = "ntlm", read_timeout_s: float = 3, **more: Any
) -> tuple[bytes, bytes, int, bool]:
    """One shell, one command and one Receive, as far as it goes."""
    protocol = client(server, transport, **more)
    cast("Any", protocol.transport).read_timeout_sec = read_timeout_s  # pywinrm takes whole seconds only
    shell = protocol.open_shell()
    started = protocol.run_command(shell, "powershell.exe", ["-Command", "-"], False, skip_cmd_shell=True)
    protocol.send_command_input(shell, started, b"data", end=True)
    answer = protocol.get_command_output_raw(shell, started)
    protocol.cleanup_command(shell, started)
    protocol.close_shell(shell)
    return answer


# --- what goes well


@pytest.mark.parametrize(
    ("transport", "tls", "count"), [("basic", None, 6), ("ntlm", None, 9), ("ssl", "valid", 6)]
)
def test_a_batch_costs_as_many_requests_as_against_windows(transport: str, tls: Any, count: int) -> None:
    machine = Saying()
    with WinrmServer(machine, ACCOUNTS, tls=tls) as server:
        protocol = client(server, transport)
        with command(protocol, bytes(60_000)) as (shell, started):
            answer = protocol.get_command_output_raw(shell, started)
        assert answer == (b"ready\r\n", b"hm", 0, True)
        assert len(server.requests) == count
        assert server.actions[-6:] == ["Create", "Command", "Send", "Receive", "Signal", "Delete"]
        assert machine.heard == bytes(60_000)
        assert server.shells == {}
        assert server.logins[-1] == ("checkup", True)


def test_sealed_messages_are_also_taken_over_tls() -> None:
    with WinrmServer(Saying(), ACCOUNTS, tls="valid") as server:
        assert one_batch(server, message_encryption="always")[0] == b"ready\r\n"


def test_what_a_client_asks_of_a_shell_and_a_program_is_kept() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        protocol = client(server, "basic")
        asked: dict[str, Any] = {"idle_timeout": "PT600S", "env_vars": {"A": "<1>"}}
        shell = protocol.open_shell(codepage=65001, noprofile=True, **asked)
        started = protocol.run_command(shell, "powershell.exe", ["-NoLogo", "<&>"], False, True)
        opened, program = server.shells[shell], server.programs[0]
        assert opened.options == {"WINRS_NOPROFILE": "TRUE", "WINRS_CODEPAGE": "65001"}
        assert (opened.idle_timeout, opened.environment) == ("PT600S", {"A": "<1>"})
        assert program is opened.programs[started]
        assert (program.command, program.arguments) == ("powershell.exe", ["-NoLogo <&>"])
        assert program.options == {"WINRS_CONSOLEMODE_STDIN": "FALSE", "WINRS_SKIP_CMD_SHELL": "TRUE"}


def test_input_in_pieces_arrives_whole_and_without_any_a_program_runs_all_the_same() -> None:
    machine = Saying()
    with WinrmServer(machine, ACCOUNTS) as server:
        protocol = client(server, "basic")
        with command(protocol, None) as (shell, started):
            protocol.send_command_input(shell, started, b"one ")
            protocol.send_command_input(shell, started, b"two", end=True)
            assert protocol.get_command_output(shell, started)[2] == 0
            assert machine.heard == b"one two"
        with command(protocol, None) as (shell, started):
            assert protocol.get_command_output(shell, started) == (b"ready\r\n", b"hm", 0)


def test_output_comes_in_pieces_of_32_kb() -> None:
    said = os.urandom(300_000)
    with WinrmServer(Saying((Output(stdout=said, exit_code=3),)), ACCOUNTS) as server:
        protocol = client(server)
        with command(protocol) as (shell, started):
            assert protocol.get_command_output(shell, started) == (said, b"", 3)
        assert server.actions.count("Receive") == 10


def test_receive_waits_for_output_and_answers_as_soon_as_there_is_any() -> None:
    outputs = (Output(stdout=b"now"), Output(stdout=b"later", delay_s=2 * TICK_S), Output(exit_code=1))
    with WinrmServer(Saying(outputs), ACCOUNTS) as server:
        protocol = client(server)
        with command(protocol) as (shell, started):
            assert protocol.get_command_output_raw(shell, started) == (b"now", b"", -1, False)
            assert protocol.get_command_output_raw(shell, started) == (b"later", b"", 1, True)


def test_receive_without_output_in_time_is_a_fault_that_loses_nothing() -> None:
    outputs = (Output(stdout=b"late", delay_s=4 * TICK_S),)
    with WinrmServer(Saying(outputs), ACCOUNTS, wait_s=TICK_S) as server:
        protocol = client(server)
        with command(protocol) as (shell, started):
            with pytest.raises(WinRMOperationTimeoutError):
                protocol.get_command_output_raw(shell, started)
            assert protocol.get_command_output(shell, started)[0] == b"late"
        assert {request.status for request in server.requests if request.action == "Receive"} == {200, 500}


@pytest.mark.parametrize("way", ["signal", "delete", "lose"])
def test_a_program_that_hangs_is_killed(way: str) -> None:
    machine = Saying((Output(stdout=b"first"), Output(delay_s=float("inf"))))
    with WinrmServer(machine, ACCOUNTS) as server:
        protocol, waiting = client(server), client(server, operation_timeout_sec=5, read_timeout_sec=6)
        shell = protocol.open_shell()
        started = protocol.run_command(shell, "powershell.exe")
        protocol.send_command_input(shell, started, b"x", end=True)
        assert protocol.get_command_output_raw(shell, started)[0] == b"first"
        with ThreadPoolExecutor(1) as pool:
            pending = pool.submit(waiting.get_command_output_raw, shell, started)
            while server.actions.count("Receive") < 2:
                threading.Event().wait(0.01)
            if way == "signal":
                protocol.cleanup_command(shell, started)
            elif way == "delete":
                protocol.close_shell(shell)
            else:
                server.lose_shells()
            with pytest.raises(WSManFaultError) as caught:
                pending.result(5)
        assert caught.value.wsman_fault_code == 995
        assert server.programs[0].killed.is_set()
    assert machine.closed


def test_several_servers_with_the_same_account_and_their_own_passwords() -> None:
    def attempt(number: int) -> bytes:
        with WinrmServer(Saying((Output(stdout=b"%d" % number),)), {"checkup": f"pass {number}"}) as server:
            with pytest.raises(InvalidCredentialsError):
                one_batch(server, password=f"pass {number + 1}")
            return one_batch(server, password=f"pass {number}")[0]

    before = os.environ.get("NTLM_USER_FILE")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(attempt, range(8))) == [b"%d" % number for number in range(8)]
    assert os.environ.get("NTLM_USER_FILE") == before


def test_what_a_test_machine_raises_is_raised_in_the_test() -> None:
    class Broken:
        def run(self, command: str, arguments: list[str], stdin: bytes) -> Iterator[Output]:
            yield Output(stdout=b"so far")
            raise LookupError("no such fact")

    with pytest.raises(LookupError, match="no such fact"), WinrmServer(Broken(), ACCOUNTS) as server:
        assert one_batch(server)[0] == b"so far"


# --- who may log in


@pytest.mark.parametrize("transport", ["basic", "ntlm"])
@pytest.mark.parametrize("settings", [{}, {"locked": ["checkup"]}, {"offers": ["Kerberos"]}])
def test_a_refused_login_is_one_attempt(transport: str, settings: dict[str, Any]) -> None:
    password = PASSWORD if settings else "wrong"
    with WinrmServer(Saying(), ACCOUNTS, **settings) as server:
        with pytest.raises((InvalidCredentialsError, WinRMTransportError, AttributeError)):
            one_batch(server, transport, password=password)
        assert [accepted for _, accepted in server.logins].count(True) == 0
        assert len(server.logins) == (0 if "offers" in settings else 1)
        assert server.shells == {}


@pytest.mark.parametrize("user", ["checkup", "CHECKUP", ".\\checkup", "WS-3\\checkup", "CEDAR\\reader"])
@pytest.mark.parametrize("transport", ["basic", "ntlm"])
def test_names_with_and_without_a_domain(user: str, transport: str) -> None:
    with WinrmServer(Saying(), {**ACCOUNTS, "CEDAR\\reader": PASSWORD}, name="WS-3") as server:
        assert one_batch(server, transport, username=user)[2] == 0


@pytest.mark.parametrize("user", ["OTHER\\checkup", "reader", "nobody"])
@pytest.mark.parametrize("transport", ["basic", "ntlm"])
def test_names_of_another_domain_are_refused(user: str, transport: str) -> None:
    with WinrmServer(Saying(), {**ACCOUNTS, "CEDAR\\reader": PASSWORD}, name="WS-3") as server:
        with pytest.raises(InvalidCredentialsError):
            one_batch(server, transport, username=user)
        assert server.logins == [(user, False)]


def test_a_machine_that_takes_no_ntlm_says_so_on_the_first_leg_or_on_the_last() -> None:
    with WinrmServer(Saying(), ACCOUNTS, offers=["Negotiate"], ntlm="no challenge") as server:
        with pytest.raises(PermissionError, match="did not respond with NTLM challenge"):
            one_batch(server)
        assert server.logins == []
    with WinrmServer(Saying(), ACCOUNTS, offers=["Negotiate"], ntlm="refused") as server:
        with pytest.raises(InvalidCredentialsError):
            one_batch(server)
        assert server.logins == [("checkup", False)]


def test_an_acceptor_of_the_test_answers_what_is_not_ntlm() -> None:
    class Friendly:
        complete, account = False, "reader@CLINIC.EXAMPLE"

        def step(self, token: bytes) -> bytes:
            self.complete = token == b"friend"
            if not self.complete:
                raise ValueError("speak, friend")
            return b"enter"

        def seal(self, message: bytes) -> tuple[bytes, bytes]:
            return b"sig", message[::-1]

        def unseal(self, signature: bytes, sealed: bytes) -> bytes:
            return sealed[::-1]

    def token(word: bytes) -> dict[str, str]:
        return {"Authorization": f"Kerberos {base64.b64encode(word).decode()}"}

    with WinrmServer(Saying(), {}, acceptor=lambda binding: Friendly()) as server:
        assert post(server, identify(), **token(b"foe")).startswith(b"HTTP/1.1 401 ")
        sealed = seal(identify(), Friendly())
        answer = post(server, sealed, **token(b"friend"), **{"Content-Type": CONTENT_TYPE})
        assert b"WWW-Authenticate: Kerberos ZW50ZXI=\r\n" in answer
        assert b"OS: 10.0.20348 SP: 0.0"[::-1] in answer
        assert server.logins == [("", False), ("reader@CLINIC.EXAMPLE", True)]


def test_unsealed_messages_can_be_forbidden() -> None:
    with WinrmServer(Saying(), ACCOUNTS, allow_unencrypted=False) as server:
        with pytest.raises(WinRMTransportError):
            one_batch(server, "basic")
        assert one_batch(server)[2] == 0


def test_a_client_certificate_is_mapped_to_an_account(tmp_path: Path) -> None:
    ours, theirs = make_certificate(tmp_path, names=["checkup"]), make_certificate(tmp_path, names=["other"])
    with WinrmServer(Saying(), {}, tls="valid", clients={"checkup": ours}) as server:
        files: dict[str, Any] = {"cert_pem": str(ours.file), "cert_key_pem": str(ours.key_file)}
        assert one_batch(server, "certificate", **files)[2] == 0
        assert server.logins[0] == ("checkup", True)
        files = {"cert_pem": str(theirs.file), "cert_key_pem": str(theirs.key_file)}
        with pytest.raises(requests.exceptions.ConnectionError):
            one_batch(server, "certificate", **files)


@pytest.mark.parametrize(("tls", "words"), [("expired", "expired"), ("wrong name", "mismatch|doesn't match")])
def test_certificates_that_no_client_takes(tls: Any, words: str) -> None:
    server = WinrmServer(Saying(), ACCOUNTS, tls=tls)
    with server, pytest.raises(requests.exceptions.SSLError, match=words):
        one_batch(server)
    assert server.requests == []
    assert len(server.failed_handshakes) == 1


def test_a_login_bound_to_another_certificate_is_refused(tmp_path: Path) -> None:
    here, elsewhere = make_certificate(tmp_path), make_certificate(tmp_path)
    accounts = Accounts(ACCOUNTS, locked=[], machine="WS-3")
    for certificate, accepted in ((here, True), (elsewhere, False)):
        binding = GssChannelBindings(application_data=certificate.binding)
        ours = spnego.client("checkup", PASSWORD, protocol="ntlm", channel_bindings=binding)
        theirs = NtlmAcceptor(accounts, here.binding)
        answer = ours.step(theirs.step(ours.step() or b""))
        if accepted:
            theirs.step(answer or b"")
        else:
            with pytest.raises(BadBindingsError):
                theirs.step(answer or b"")
        assert theirs.complete is accepted
    accounts.close()


# --- what goes wrong


def fault_of(server: WinrmServer, transport: str = "ntlm") -> WSManFaultError:
    with pytest.raises(WSManFaultError) as caught:
        one_batch(server, transport)
    return caught.value


@pytest.mark.parametrize(
    ("access", "code", "subcode"),
    [("denied", 5, "w:AccessDenied"), ("off", 2150859180, "w:AccessDenied")],
)
def test_a_shell_may_be_refused(access: Any, code: int, subcode: str) -> None:
    with WinrmServer(Saying(), ACCOUNTS, remote_shells=access) as server:
        error = fault_of(server)
        assert (error.wsman_fault_code, error.fault_subcode, error.code) == (code, subcode, 500)


def test_the_number_of_shells_is_limited_for_each_account() -> None:
    with WinrmServer(Saying(), {**ACCOUNTS, "second": PASSWORD}, windows="2008 R2") as server:
        protocol = client(server)
        shells = [protocol.open_shell() for _ in range(5)]
        with pytest.raises(WSManFaultError, match="maximum number of concurrent shells") as caught:
            protocol.open_shell()
        assert (caught.value.wsman_fault_code, caught.value.wmierror_code) == (2150859173, None)
        assert one_batch(server, username="second")[2] == 0
        protocol.close_shell(shells[0], close_session=False)
        protocol.open_shell()


def test_newer_windows_words_its_quotas_as_wmi_errors() -> None:
    quotas = Quotas(shells=1, operations=1, request_bytes=500 * 1024)
    with WinrmServer(Saying(), ACCOUNTS, quotas=quotas) as server:
        protocol = client(server)
        shell = protocol.open_shell()
        with pytest.raises(WSManFaultError) as caught:
            protocol.open_shell()
        assert (caught.value.wsman_fault_code, caught.value.wmierror_code) == (None, 2150859173)
        protocol.run_command(shell, "powershell.exe")
        with pytest.raises(WSManFaultError) as caught:
            protocol.run_command(shell, "powershell.exe")
        assert caught.value.wmierror_code == 2150859174
        protocol.close_shell(shell, close_session=False)
        protocol.run_command(protocol.open_shell(), "powershell.exe")


def test_a_request_may_be_too_large() -> None:
    with WinrmServer(Saying(), ACCOUNTS, windows="7") as server:
        protocol = client(server)
        with command(protocol) as (shell, _):
            second = protocol.run_command(shell, "powershell.exe")
            with pytest.raises(WSManFaultError) as caught:
                protocol.send_command_input(shell, second, bytes(150_000))
            assert caught.value.fault_subcode == "w:EncodingLimit"


def test_unknown_shells_commands_and_programs() -> None:
    class Without(Saying):
        def before_input(self, command: str, arguments: list[str]) -> None:
            raise FileNotFoundError(command)

    with WinrmServer(Without(), ACCOUNTS) as server:
        protocol = client(server)
        shell = protocol.open_shell()
        for attempt, code in (
            (lambda: protocol.run_command("ABC", "powershell.exe"), 2150858843),
            (lambda: protocol.get_command_output_raw(shell, "DEF"), 2150858843),
            (lambda: protocol.run_command(shell, "pwsh.exe"), 2147942402),
        ):
            with pytest.raises(WSManFaultError) as caught:
                attempt()
            assert caught.value.wsman_fault_code == code
            assert server.requests[-1].status == 500


def test_a_shell_belongs_to_who_opened_it() -> None:
    with WinrmServer(Saying(), {**ACCOUNTS, "second": PASSWORD}) as server:
        shell = client(server).open_shell()
        with pytest.raises(WSManFaultError) as caught:
            client(server, username="second").close_shell(shell)
        assert caught.value.wsman_fault_code == 2150858843
        assert list(server.shells) == [shell]


def test_a_program_that_ended_takes_no_input_and_still_tells_why() -> None:
    class Refusing(Saying):
        def before_input(self, command: str, arguments: list[str]) -> Iterator[Output]:
            yield Output(stdout=b"not allowed", exit_code=86)

    with WinrmServer(Refusing(), ACCOUNTS) as server:
        protocol = client(server)
        with command(protocol, None) as (shell, started):
            with pytest.raises(WSManFaultError) as caught:
                protocol.send_command_input(shell, started, b"script", end=True)
            assert caught.value.wsman_fault_code == 2147942632
            assert protocol.get_command_output(shell, started) == (b"not allowed", b"", 86)


@pytest.mark.parametrize(
    ("trouble", "transport", "raised"),
    [
        (Trouble(action="*", nth=0, page=PORTAL), "basic", StopIteration),
        (Trouble(action="*", nth=0, page=PORTAL), "ntlm", AttributeError),  # no context to seal with
        (Trouble(action="Create", page=PORTAL), "ntlm", StopIteration),
        (Trouble(action="Login", page=UNAVAILABLE), "ntlm", WinRMTransportError),
        (Trouble(action="Receive", page=UNAVAILABLE), "ntlm", WinRMTransportError),
        (Trouble(action="Command", malformed=True), "ntlm", ParseError),
        (Trouble(action="Signal", unrelated=True), "ntlm", AssertionError),
        (Trouble(action="Receive", silent=True), "ntlm", requests.exceptions.ReadTimeout),
        (Trouble(action="Create", delay_s=3), "basic", requests.exceptions.ReadTimeout),
        (Trouble(action="Receive", drop_after=0), "ntlm", requests.exceptions.ConnectionError),
        (Trouble(action="Receive", drop_after=0, abruptly=True), "ntlm", requests.exceptions.ConnectionError),
        (Trouble(action="Receive", drop_after=400), "basic", requests.exceptions.ChunkedEncodingError),
        (
            Trouble(action="Command", close_after=True),
            "ntlm",
            WinRMTransportError,
        ),
    ],
)
def test_trouble_raises_what_the_client_must_expect(
    trouble: Trouble, transport: str, raised: type[BaseException]
) -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        server.trouble.append(trouble)
        with pytest.raises(raised):
            one_batch(server, transport, 0.3 if trouble.silent or trouble.delay_s else 3)


def test_faults_befall_the_nth_request_of_an_action() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", nth=2, fault=faults.ACCESS_DENIED))
        server.trouble.append(Trouble(action="Delete", nth=2, fault=faults.ABORTED, after=True))
        assert one_batch(server)[2] == 0
        assert fault_of(server).wsman_fault_code == 5
        assert server.shells == {}
        assert fault_of(server).wsman_fault_code == 995
        assert server.shells == {}  # it was deleted before the fault was sent
        assert one_batch(server)[2] == 0


def test_a_service_that_restarts_in_mid_batch_knows_its_shells_no_more() -> None:
    outputs = (Output(stdout=b"half"), Output(stdout=b"rest", delay_s=TICK_S))
    with WinrmServer(Saying(outputs), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Receive", nth=2, lose_shells=True))
        protocol = client(server)
        shell = protocol.open_shell()
        started = protocol.run_command(shell, "powershell.exe")
        protocol.send_command_input(shell, started, b"", end=True)
        assert protocol.get_command_output_raw(shell, started)[0] == b"half"
        with pytest.raises(WSManFaultError) as caught:
            protocol.get_command_output_raw(shell, started)
        assert (caught.value.wsman_fault_code, caught.value.fault_subcode) == (
            2150858843,
            "w:InvalidSelectors",
        )


def test_a_connection_that_idled_out_is_opened_again_but_not_with_the_old_seal() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", close_after=True))
        with pytest.raises(WinRMTransportError) as caught:
            one_batch(server)
        assert caught.value.code == 400
        assert server.actions[4:] == ["Login", "Login", "Unsealed"]
        assert [request.connection for request in server.requests[4:]] == [2, 2, 2]
        assert len(server.shells) == 1


def test_a_plain_connection_that_idled_out_is_just_opened_again() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        server.trouble.append(Trouble(action="Create", close_after=True))
        assert one_batch(server, "basic")[2] == 0
        assert [request.connection for request in server.requests] == [1, 2, 2, 2, 2, 2]


# --- the wire


def identify() -> bytes:
    return (
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:i="http://schemas.dmtf.org/'
        b'wbem/wsman/identity/1/wsmanidentity.xsd"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>'
    )


def test_identify_tells_the_version_only_to_who_is_logged_in() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        assert b"OS: 10.0.20348 SP: 0.0" in post(server, identify())
        nobody = {"Authorization": "", "WSMANIDENTIFY": "unauthenticated"}
        assert b"OS: 0.0.0 SP: 0.0" in post(server, identify(), **nobody)
        assert server.actions == ["Identify", "Identify"]
        assert b'Code="5"' in post(server, create().encode(), **nobody)
        assert server.shells == {}


def test_an_answer_is_cut_at_exactly_that_byte() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        whole = len(post(server, identify()))
        assert server.requests[0].answered == whole
        cuts = [0, 1, 12, 100, whole - 1, whole]
        for number, cut in enumerate(cuts):
            server.trouble.append(Trouble(action="Identify", nth=number + 2, drop_after=cut))
        assert [len(post(server, identify())) for _ in cuts] == cuts
        assert [request.answered for request in server.requests[1:]] == cuts


def create() -> str:
    header = Protocol("http://ws-3:5985/wsman", username="-", password="-").build_wsman_header(
        "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
        "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd",
    )
    shell = {"rsp:InputStreams": "stdin", "rsp:OutputStreams": "stdout stderr"}
    return xmltodict.unparse({"env:Envelope": header | {"env:Body": {"rsp:Shell": shell}}})


@pytest.mark.parametrize(
    ("pattern", "replacement", "subcode"),
    [
        ("<a:To>.*</a:To>", "", "a:MessageInformationHeaderRequired"),
        ("<a:MessageID>.*</a:MessageID>", "", "a:MessageInformationHeaderRequired"),
        ("<w:ResourceURI.*</w:ResourceURI>", "", "a:MessageInformationHeaderRequired"),
        ("<a:Action.*</a:Action>", "", "a:MessageInformationHeaderRequired"),
        ("PT20S", "PT-1S", "a:InvalidMessageInformationHeader"),
        ("shell/cmd<", "shell/none<", "a:DestinationUnreachable"),
        ("transfer/Create", "transfer/Put", "w:InvalidSelectors"),
        (
            "http://www.w3.org/2003/05/soap-envelope",
            "http://schemas.xmlsoap.org/soap/envelope/",
            "s:VersionMismatch",
        ),
        ("<a:To>", '<cfg:Odd env:mustUnderstand="true"/><a:To>', "s:MustUnderstand"),
        ("<env:Body>.*</env:Body>", "<env:Body/>", "w:InvalidBody"),
        ("</env:Envelope>", "", "w:SchemaValidationError"),
        ("<env:Envelope", "<!DOCTYPE x><env:Envelope", "w:SchemaValidationError"),
    ],
)
def test_messages_are_read_strictly(pattern: str, replacement: str, subcode: str) -> None:
    message = re.sub(pattern, replacement, create())
    assert message != create()
    with WinrmServer(Saying(), ACCOUNTS) as server:
        answer = post(server, message.encode())
        assert answer.startswith(b"HTTP/1.1 500 ")
        assert f"<s:Value>{subcode}</s:Value>".encode() in answer
        assert server.shells == {}
        assert post(server, create().encode()).startswith(b"HTTP/1.1 200 ")


def test_an_answer_relates_to_its_request() -> None:
    message = create()
    asked = re.findall("<a:MessageID>(.*?)</a:MessageID>", message)
    with WinrmServer(Saying(), ACCOUNTS) as server:
        for text in (message, message.replace("shell/cmd<", "shell/none<")):
            answer = post(server, text.encode()).decode()
            assert re.findall("<a:RelatesTo>(.*?)</a:RelatesTo>", answer) == asked


def test_other_paths_and_methods_are_not_the_service() -> None:
    with WinrmServer(Saying(), ACCOUNTS) as server:
        address = f"http://127.0.0.1:{server.port}"
        assert requests.post(f"{address}/other", data=b"x", timeout=5).status_code == 404
        assert requests.get(f"{address}/wsman", timeout=5).status_code == 405
        refused = requests.post(f"{address}/wsman", data=b"x", timeout=5)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"] == 'Negotiate, Kerberos, Basic realm="WSMAN"'
