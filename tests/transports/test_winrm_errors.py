"""What pywinrm may raise, and what it means: the pure part."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from winrm.exceptions import WinRMTransportError, WSManFaultError

from checkup.api import ErrorClass
from checkup.transports.winrm_errors import Fault, Unjudged, error_of, fault_of, shell_refusal
from checkup.transports.winrm_login import Identity

IDENTITY = Identity(auth="ntlm", user="checkup", shown="the password of checkup (credential clinic)")


def fault(code: int | None = None, wmi: int | None = None, reason: str = "No.") -> WSManFaultError:
    return WSManFaultError(
        500, "Bad HTTP response", "<xml/>", reason, wsman_fault_code=code, wmierror_code=wmi
    )


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (fault(5), ErrorClass.DENIED),
        (fault(2150859012), ErrorClass.DENIED),
        (fault(2150859013), ErrorClass.DENIED),
        (fault(wmi=-2147217405), ErrorClass.DENIED),  # 0x80041003, as a signed number
        (fault(2150859180), ErrorClass.DISABLED),
        (fault(2150859173), ErrorClass.QUOTA),
        (fault(wmi=2150859173), ErrorClass.QUOTA),
        (fault(2150859174), ErrorClass.QUOTA),
        (fault(2150858843), ErrorClass.DROPPED),
        (fault(995), ErrorClass.DROPPED),
        (fault(wmi=0x80041010), ErrorClass.UNSUPPORTED),
        (fault(wmi=0x8004100E), ErrorClass.UNSUPPORTED),
        (fault(2150858778), ErrorClass.UNSUPPORTED),
        (fault(2150858817), ErrorClass.PROTOCOL),
        (fault(), ErrorClass.PROTOCOL),
    ],
)
def test_faults(given: WSManFaultError, error: ErrorClass) -> None:
    assert fault_of(given, "ws-3", "when asked").error is error


def test_the_words_of_a_fault_are_cleaned_and_cut() -> None:
    detail = fault_of(fault(87, reason="\x1b[31mbad\n" * 200), "ws-3", "when asked").detail
    assert "\x1b" not in detail and "\n" not in detail and len(detail) < 300
    assert "87" in detail


@pytest.mark.parametrize("error", list(ErrorClass))
def test_every_refused_shell_is_explained_in_one_line(error: ErrorClass) -> None:
    given = Fault(error, "as it was", frozenset({7}))
    explained = shell_refusal(given, "ws-3.clinic.example:5985", IDENTITY)
    assert (explained.error, explained.codes) == (error, {7})
    assert len(explained.detail) < 300


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__context__ = inner
    return outer


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (requests.ReadTimeout(), ErrorClass.TIMEOUT, "in time"),
        (requests.ConnectionError(TimeoutError()), ErrorClass.TIMEOUT, "in time"),
        (requests.ConnectTimeout(), ErrorClass.TIMEOUT, "in time"),
        (requests.ConnectionError(ConnectionResetError()), ErrorClass.DROPPED, "broke when asked"),
        (chained(requests.ConnectionError(), BrokenPipeError()), ErrorClass.DROPPED, "broke when asked"),
        (WinRMTransportError("http", 503, ""), ErrorClass.QUOTA, "HTTP 503"),
        (WinRMTransportError("http", 407, ""), ErrorClass.UNREACHABLE, "proxy"),
        (WinRMTransportError("http", 500, ""), ErrorClass.PROTOCOL, "HTTP 500"),
        (StopIteration(), ErrorClass.PROTOCOL, "StopIteration"),
        (AssertionError(), ErrorClass.PROTOCOL, "AssertionError"),
        (UnicodeDecodeError("utf-8", b"", 0, 1, ""), ErrorClass.PROTOCOL, "UnicodeDecodeError"),
    ],
)
def test_other_failures(given: Exception, error: ErrorClass, words: str) -> None:
    found: Any = error_of(given, "ws-3", "when asked", IDENTITY, logged_in=True, sealed=True)
    assert not isinstance(found, Unjudged)
    assert (found.error, words in found.detail) == (error, True), found


@pytest.mark.parametrize(("logged_in", "error"), [(True, ErrorClass.DROPPED), (False, ErrorClass.PROTOCOL)])
def test_a_400_is_a_lost_encryption_only_once_there_is_one(logged_in: bool, error: ErrorClass) -> None:
    given = WinRMTransportError("http", 400, "")
    found: Any = error_of(given, "ws-3", "when asked", IDENTITY, logged_in=logged_in, sealed=True)
    assert found.error is error
