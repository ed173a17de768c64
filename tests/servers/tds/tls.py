"""TLS: its handshake inside PRELOGIN packets, or before any packet in TDS 8.0 ([MS-TDS] 3.3.5.2)."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from .packets import NotTds, Packets, PacketType
from .wire import ConnectionLost, Wire

TlsVersion = Literal["1.0", "1.2"]


class HandshakeFailed(Exception):
    """Client and server have no TLS in common, or the client refuses the certificate."""


def server_context(certificate: Path, key: Path, version: TlsVersion = "1.2") -> ssl.SSLContext:
    """At most TLS 1.2, as TDS 7.x has it; "1.0": nothing else, as SQL Server 2008 R2 without updates."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.set_alpn_protocols(["tds/8.0"])  # of those that shake hands first
    if version == "1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        return context
    context.set_ciphers("ALL:@SECLEVEL=0")  # our OpenSSL offers 1.0 at no higher level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is old is the point
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def shake_hands(packets: Packets, context: ssl.SSLContext) -> None:
    """Inside packets; leaves the wire inside TLS."""
    _shake_hands(
        packets.wire,
        context,
        receive=lambda: _packet(packets),
        send=lambda data: packets.write(PacketType.PRELOGIN, data),
    )


def shake_hands_first(wire: Wire, context: ssl.SSLContext) -> None:
    """As every other protocol does it, and TDS 8.0."""
    _shake_hands(wire, context, receive=wire.receive_some, send=wire.send)


def _shake_hands(
    wire: Wire, context: ssl.SSLContext, receive: Callable[[], bytes], send: Callable[[bytes], None]
) -> None:
    from_client, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(from_client, to_client, server_side=True)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            _pass_on(to_client, send)
            try:
                from_client.write(receive())
            except ConnectionLost as lost:
                raise HandshakeFailed("the client closed the connection") from lost
        except ssl.SSLError as error:
            with suppress(ConnectionLost):  # a client that does not wait for the alert fails as well
                _pass_on(to_client, send)
            raise HandshakeFailed(error.reason or str(error)) from error
    _pass_on(to_client, send)
    wire.use_tls(tls, from_client, to_client)


def _pass_on(to_client: ssl.MemoryBIO, send: Callable[[bytes], None]) -> None:
    if to_client.pending:
        send(to_client.read())


def _packet(packets: Packets) -> bytes:
    kind, _, payload = packets.read_packet()
    if kind is not PacketType.PRELOGIN:
        raise NotTds(f"a packet of type {kind!r} in the TLS handshake")
    return payload
