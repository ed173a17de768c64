"""Sealed messages: the multipart body that carries one ([MS-WSMV] 2.2.9.1)."""

from __future__ import annotations

import re
import struct

from .accounts import Acceptor

_BOUNDARY = b"--Encrypted Boundary"
_PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"
CONTENT_TYPE = f'multipart/encrypted;protocol="{_PROTOCOL}";boundary="Encrypted Boundary"'
_BODY = re.compile(
    rb"--Encrypted Boundary\r\n\s*Content-Type: ([^\r\n]+)\r\n"
    rb"\s*OriginalContent: type=application/soap\+xml;charset=UTF-8;Length=(\d+)\r\n"
    rb"--Encrypted Boundary\r\n\s*Content-Type: application/octet-stream\r\n"
)
_CLOSING = _BOUNDARY + b"--\r\n"


class NotSealed(Exception):
    """This is no sealed message, or not one of this security context."""


def is_sealed(content_type: str) -> bool:
    return content_type.lower().startswith("multipart/encrypted")


def unseal(body: bytes, acceptor: Acceptor) -> bytes:
    """The message inside. Raises NotSealed."""
    found = _BODY.match(body)
    if found is None or not body.endswith(_CLOSING) or found[1].decode("ascii", "replace") != _PROTOCOL:
        raise NotSealed("the parts are not those of a sealed message")
    content = body[found.end() : -len(_CLOSING)]
    (size,) = struct.unpack("<i", content[:4])
    try:
        message = acceptor.unseal(content[4 : 4 + size], content[4 + size :])
    except Exception as error:
        raise NotSealed(f"it was not sealed for this connection: {error}") from error
    if len(message) != int(found[2]):
        raise NotSealed("it is not as long as it says")
    return message


def seal(message: bytes, acceptor: Acceptor) -> bytes:
    signature, sealed = acceptor.seal(message)
    return (
        _BOUNDARY
        + f"\r\n\tContent-Type: {_PROTOCOL}\r\n".encode()
        + f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(message)}\r\n".encode()
        + _BOUNDARY
        + b"\r\n\tContent-Type: application/octet-stream\r\n"
        + struct.pack("<i", len(signature))
        + signature
        + sealed
        + _CLOSING
    )
