"""Before any driver: does something answer, is it this engine, and is its TLS what the site file wants?

With the standard library, because drivers hang at servers that say nothing, and do not tell why they failed.
No credential has been sent when this ends.
"""

from __future__ import annotations

from checkup.api import ErrorClass
from checkup.clean import clean_line
from checkup.transports.odbc.connect import SqlPlace
from checkup.transports.odbc.greetings import NotThisEngine, TurnedAway, greet
from checkup.transports.odbc.line import Ended, Late, Line
from checkup.transports.odbc.tls import Shown, shake_hands
from checkup.transports.session import ConnectionFacts, TransportError
from checkup.transports.wire import Stream

# MariaDB's and MySQL's errors that take the place of a greeting.
_TOO_MANY = frozenset({1040, 1203})
_BARRED = frozenset({1129})
_NOT_FROM_HERE = frozenset({1130})


def preflight(place: SqlPlace, stream: Stream, where: str, limit_s: float, facts: ConnectionFacts) -> Shown:
    """Greets on `stream`, which it closes, within `limit_s` in all. Raises TransportError.

    What the server showed is for its driver to compare; nothing, without TLS.
    """
    line = Line(stream, limit_s)
    try:
        greeting = greet(place.engine, line, tls=place.encryption != "clear")
        facts.server = clean_line(greeting.product, 200)
        if place.encryption == "clear":
            if greeting.demands_tls:
                raise TransportError(
                    ErrorClass.TLS,
                    f"{where} takes no login without TLS: write encryption: unvalidated or validated",
                )
            return Shown()
        if not greeting.has_tls:
            raise TransportError(
                ErrorClass.TLS,
                f"{where} has no TLS: switch it on there (and restart the service), or write encryption: "
                "clear, with which everything, the password too, can be read on the line",
            )
        return shake_hands(place, greeting, where, facts)
    except Late:
        raise _late(place, line, where, limit_s) from None
    except Ended:
        raise _ended(place, line, where) from None
    except NotThisEngine:
        raise _another(place, line, where) from None
    except TurnedAway as away:
        raise _turned_away(away, where) from None
    finally:
        line.close()


def _late(place: SqlPlace, line: Line, where: str, limit_s: float) -> TransportError:
    if line.first and place.engine != "postgresql":
        return TransportError(ErrorClass.TIMEOUT, f"{where} stopped in the middle of its greeting")
    return TransportError(
        ErrorClass.TIMEOUT,
        f"{where} takes connections and says nothing for {limit_s:g} s: its {place.engine_title} hangs, a "
        "firewall answers in its place, or something else listens on this port",
    )


def _ended(place: SqlPlace, line: Line, where: str) -> TransportError:
    if line.first:
        return _another(place, line, where)
    return TransportError(
        ErrorClass.DROPPED,
        f"{where} hung up without a word: is it a {place.engine_title} at all, or does it bar this station's "
        "address?",
    )


def _another(place: SqlPlace, line: Line, where: str) -> TransportError:
    said = clean_line(line.first.decode("utf-8", "replace"), 80)
    return TransportError(
        ErrorClass.PROTOCOL, f"{where} is no {place.engine_title}, is the port right? It says: {said}"
    )


def _turned_away(away: TurnedAway, where: str) -> TransportError:
    if away.number in _TOO_MANY:
        return TransportError(ErrorClass.QUOTA, f"{where} takes no further connection (error {away.number})")
    if away.number in _BARRED:
        return TransportError(
            ErrorClass.DENIED,
            f"{where} bars this station's address after failed connections; its administrator ends that with "
            "FLUSH HOSTS",
        )
    if away.number in _NOT_FROM_HERE:
        return TransportError(
            ErrorClass.DENIED,
            f"{where} takes no login from this station's address; ask for an account that may",
        )
    return TransportError(
        ErrorClass.PROTOCOL,
        f"{where} turned the connection away: {clean_line(away.text, 150)} ({away.number})",
    )
