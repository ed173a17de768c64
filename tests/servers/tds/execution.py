"""Statements are answered: one request of a client becomes one message of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from threading import Event

from . import builtin, errors, scalars, tokens
from .answers import Affected, Answer, Column, Error, HangUp, Needs, Pause, Rows, Step
from .batches import Piece, pieces, separated
from .calls import Call, Prepared
from .data_types import INT
from .packets import NotTds, Packets, PacketType, Reply
from .statements import Session, Statement, Way
from .tokens import Command, Done, DoneStatus

_NOT_SCRIPTED = 50000
_THROW = re.compile(r"\s*;?\s*THROW\s*;?\s*", re.IGNORECASE)
_CATCHABLE = range(11, 20)


class Cancelled(Exception):
    """The client has sent ATTENTION."""


class HungUp(Exception):
    """The script wants the connection lost here."""

    def __init__(self, abruptly: bool) -> None:
        self.abruptly = abruptly


class _BatchEnds(Exception):
    """An error that ends more than its statement; the connection too, where `fatal`."""

    def __init__(self, fatal: bool = False) -> None:
        self.fatal = fatal


class Execution:
    """The answer to one request.

    `seen` is told every statement; `unscripted` the text of each that nobody could answer.
    """

    def __init__(
        self,
        packets: Packets,
        session: Session,
        prepared: Prepared,
        stopping: Event,
        seen: Callable[[Statement], None],
        unscripted: Callable[[str], None],
    ) -> None:
        self._packets = packets
        self._session = session
        self._prepared = prepared
        self._stopping = stopping
        self._seen = seen
        self._unscripted = unscripted
        self._reply = Reply(packets)
        self._end = Done.STATEMENT
        self._held: tuple[Done, DoneStatus, Command, int | None] | None = (
            None  # until it is known what follows
        )
        self._rows_open = False

    def batch(self, text: str) -> bool:
        """Answers an SQLBatch; false where the connection is to be closed."""
        return self._run(lambda: self._pieces(text, (), "batch"), lambda: None)

    def call(self, call: Call) -> bool:
        """Answers a remote procedure call; false where the connection is to be closed."""
        self._end = Done.IN_PROCEDURE
        outputs: list[bytes] = []

        def finish() -> None:
            self._token(tokens.return_status(0) + b"".join(outputs))
            self._reply.add(tokens.done(Done.PROCEDURE, DoneStatus.FINAL))

        return self._run(lambda: outputs.extend(self._called(call)), finish)

    def _run(self, work: Callable[[], object], finish: Callable[[], None]) -> bool:
        goes_on = True
        try:
            try:
                work()
            except _BatchEnds as end:
                goes_on = not end.fatal
            finish()
            self._release(more=False)
        except Cancelled:
            self._release(more=True)
            self._reply.add(tokens.done(Done.STATEMENT, DoneStatus.ATTENTION))
        except HungUp:
            self._release(more=True)
            self._reply.flush()
            raise
        self._reply.end()
        return goes_on

    def _called(self, call: Call) -> list[bytes]:
        """Does what the procedure is for; gives its output parameters."""
        values = call.values
        match call.name:
            case "sp_executesql":
                self._pieces(str(values[0]), values[2:], "execute")
            case "sp_prepare" | "sp_prepexec":
                text = str(values[2])
                self._prepared.remove(values[0])  # a driver that re-uses its statement gives the old handle
                handle = self._prepared.add(text)
                if call.name == "sp_prepexec":
                    self._pieces(text, values[3:], "execute")
                return [tokens.return_value(0, call.parameters[0].name, INT, handle)]
            case "sp_execute":
                text = self._prepared.get(values[0])
                if text is None:
                    self._error(Error(8179, f"Could not find prepared statement with handle {values[0]}."))
                else:
                    self._pieces(text, values[1:], "execute")
            case "sp_unprepare":
                if not self._prepared.remove(values[0]):
                    self._error(Error(8179, f"Could not find prepared statement with handle {values[0]}."))
            case "sp_datatype_info" | "sp_datatype_info_90" | "sp_datatype_info_100":
                self._step(builtin.type_info(int(str(values[0])) if values else 0))
            case _:
                self._pieces(str(call), (), "execute")
        return []

    def _pieces(self, text: str, parameters: tuple[object, ...], way: Way) -> None:
        for piece in pieces(text):
            self._piece(piece, parameters, way)

    def _piece(self, piece: Piece, parameters: tuple[object, ...], way: Way) -> None:
        statement = Statement(piece.text, self._session, piece.check_id, parameters, way)
        answer = self._session.script.find(statement)
        if answer is None:
            answer = builtin.answer(statement)
        if answer is None and piece.check_id is None and len(parts := separated(piece.text)) > 1:
            for part in parts:
                self._piece(Piece(part), parameters, way)
            return
        self._seen(statement)
        if answer is None:
            self._unscripted(piece.text)
            answer = Error(_NOT_SCRIPTED, f"not scripted: {piece.text}")
        self._answer(statement, piece, answer)

    def _answer(self, statement: Statement, piece: Piece, answer: Answer) -> None:
        outside = self._end
        if piece.inner:  # sp_executesql: a procedure, and what it holds are its statements
            self._end = Done.IN_PROCEDURE
        try:
            caught = self._steps(statement, piece, answer)
        finally:
            self._end = outside
        if caught:
            self._caught(caught, piece.catch or "")
            return
        if piece.inner:
            self._token(tokens.return_status(0))
            self._done(DoneStatus.FINAL, end=Done.PROCEDURE)
        if piece.then:
            self._scalars(piece.then)

    def _steps(self, statement: Statement, piece: Piece, answer: Answer) -> list[Error]:
        """Says what the answer holds; gives the errors that a CATCH block is to see."""
        caught: list[Error] = []
        told: list[Error] = []
        for step in _steps(statement, answer):
            if isinstance(step, Error) and step.severity > 10:
                if piece.catch is not None and _catches(step, piece):
                    caught.append(step)
                else:
                    self._message(step)
                    told.append(step)
                continue
            self._stop_for(told, piece)
            if caught:
                break
            self._step(step)
        if caught and self._rows_open:
            self._done(DoneStatus.FINAL, Command.SELECT)
        self._stop_for(told, piece)
        if self._held is None and not caught:  # nothing but messages, or nothing at all
            self._done(DoneStatus.FINAL)
        return caught

    def _stop_for(self, told: list[Error], piece: Piece) -> None:
        """Ends the statement whose errors were told, and with it what else they end."""
        if not told:
            return
        reaches = {error.reach for error in told}
        told.clear()
        self._done(DoneStatus.ERROR, Command.SELECT)
        if "connection" in reaches:
            raise _BatchEnds(fatal=True)
        if "batch" in reaches or ("scope" in reaches and not piece.inner):
            raise _BatchEnds

    def _caught(self, caught: Sequence[Error], catch: str) -> None:
        """The CATCH block sees the last error; THROW tells them all."""
        if not catch:
            return
        if _THROW.fullmatch(catch):
            for error in caught:
                self._message(error)
            self._done(DoneStatus.ERROR)
            raise _BatchEnds
        self._scalars(catch, caught[-1])

    def _scalars(self, text: str, caught: Error | None = None) -> None:
        """What stands beside a statement in its TRY or its CATCH: a SELECT without FROM."""
        try:
            rows = scalars.select(text, self._session, caught)
        except scalars.NotScalars as unknown:
            self._unscripted(text)
            self._error(Error(_NOT_SCRIPTED, f"not scripted: {unknown} in: {text}"))
        else:
            self._step(rows)

    def _step(self, step: Step) -> None:
        match step:
            case Rows():
                self._rows(step)
            case Error():
                self._message(step)
            case Affected():
                self._session.row_count = step.rows or 0
                self._done(DoneStatus.FINAL, rows=step.rows)
            case Pause():
                self._pause(step)
            case HangUp():
                raise HungUp(step.abruptly)
            case Needs():
                raise AssertionError("taken apart by _steps")

    def _rows(self, step: Rows) -> None:
        self._token(tokens.columns(step.columns))
        if step.ordered_by:
            names = [column.name for column in step.columns]
            self._token(tokens.order([names.index(name) + 1 for name in step.ordered_by]))
        count = 0
        for values in step:
            if self._reply.add(_row(step.columns, values)):
                self._look_for_attention()
            count += 1
        self._session.row_count = count
        self._rows_open = not step.complete
        if step.complete:
            self._done(DoneStatus.FINAL, Command.SELECT, count)

    def _pause(self, step: Pause) -> None:
        if step.deaf:
            self._stopping.wait(step.seconds)
        else:
            self._look_for_attention(step.seconds)

    def _look_for_attention(self, timeout_s: float = 0) -> None:
        if not self._packets.wire.readable(timeout_s):
            return
        message = self._packets.read()
        if message.type is not PacketType.ATTENTION:
            raise NotTds(f"a message of type {message.type!r} while an answer is under way")
        raise Cancelled

    def _error(self, error: Error) -> None:
        self._message(error)
        self._done(DoneStatus.ERROR)

    def _message(self, error: Error) -> None:
        self._token(
            tokens.message(
                error.number,
                error.state,
                error.severity,
                error.text,
                self._session.script.product.server_name,
                error.procedure,
                error.line,
            )
        )

    def _token(self, token: bytes) -> None:
        self._release(more=True)
        self._reply.add(token)

    def _done(
        self,
        status: DoneStatus,
        command: Command = Command.NONE,
        rows: int | None = None,
        end: Done | None = None,
    ) -> None:
        self._release(more=True)
        self._rows_open = False
        counts = self._session.settings.get("NOCOUNT") != "ON"
        self._held = end or self._end, status, command, rows if counts else None

    def _release(self, more: bool) -> None:
        if self._held:
            end, status, command, rows = self._held
            self._held = None
            self._reply.add(tokens.done(end, status | (DoneStatus.MORE if more else 0), command, rows))


def _catches(error: Error, piece: Piece) -> bool:
    """Names that do not exist escape a TRY of their own scope; see TRY...CATCH, "Errors unaffected"."""
    return error.severity in _CATCHABLE and (piece.inner or error.reach != "scope")


def _row(columns: Sequence[Column], values: Sequence[object]) -> bytes:
    try:
        return tokens.row(columns, values)
    except (TypeError, ValueError, AttributeError, ArithmeticError) as error:
        names = ", ".join(f"{column.name} {column.type.name}" for column in columns)
        raise ValueError(f"a row that does not fit ({names}): {values!r}: {error}") from error


def _steps(statement: Statement, answer: Answer) -> list[Step]:
    """The answer as a list of steps, functions called and permissions looked up."""
    if isinstance(answer, Needs):
        lacking = [needed for needed in answer.permissions if not statement.session.account.may(needed)]
        return _denied(lacking[0]) if lacking else _steps(statement, answer.then)
    if isinstance(answer, Rows | Error | Affected | Pause | HangUp):
        return [answer]
    if isinstance(answer, Sequence):
        return [step for part in answer for step in _steps(statement, part)]
    return _steps(statement, answer(statement))


def _denied(permission: str) -> list[Step]:
    securable, _, wanted = permission.rpartition(": ")
    if not securable:
        return list(errors.denied_on_server(permission))
    *parts, name = securable.split(".")
    if not parts:
        return list(errors.denied_in_database(wanted, name))
    schema = parts[1] if len(parts) > 1 else "dbo"
    return [errors.denied_on_object(wanted, name, parts[0], schema)]
