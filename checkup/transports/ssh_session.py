"""One batch over a logged-in connection: a shell of the machine, our script on its standard input.

On Windows that shell is PowerShell, whatever shell the account has; see `batch.powershell`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from paramiko import Channel, ChannelException, Message, SSHException
from paramiko.common import cMSG_CHANNEL_REQUEST

from checkup.api import ErrorClass
from checkup.batch.powershell import SSH_COMMAND, SSH_FIRST_LINE
from checkup.clean import clean_line
from checkup.transports.powershell import Complaints
from checkup.transports.session import OUTPUT_LIMIT, ConnectionFacts, Deadlines, TransportError
from checkup.transports.ssh_link import Link
from checkup.transports.wire import TooMuch


@dataclass(frozen=True)
class Shell:
    """The whole command line, and what its standard input begins with before the script."""

    command: str
    opening: bytes
    windows: bool = False


# A bare word: whatever the account's login shell is, sh or csh or fish, restricted or not, it can
# start another program of the path. The script is not part of it.
POSIX = Shell("sh", b"")
WINDOWS = Shell(SSH_COMMAND, SSH_FIRST_LINE, windows=True)

CHUNK = 1024**2
POLL_S = 0.25  # how soon an interrupt is noticed
LINGER_S = 2.0  # how long output may still come after the shell has ended
STDERR_KEPT = 4096
SLOWEST = 4096  # bytes a second at which a script may still be handed over

# Overhead of the protocol on top of a batch's output, generously.
ALLOWANCE = OUTPUT_LIMIT * 2


class SshSession:
    """See `Session`. `stderr` keeps the end of what the shell complained about, as it came."""

    def __init__(
        self, link: Link, facts: ConnectionFacts, deadlines: Deadlines, shell: Shell = POSIX
    ) -> None:
        self.facts = facts
        self.stderr = b""
        self._link = link
        self._deadlines = deadlines
        self._shell = shell
        self._complaints = Complaints()
        self._interrupted = threading.Event()

    def stream(self, script: bytes) -> Iterator[bytes]:
        self._interrupted = threading.Event()
        return self._run(script, self._interrupted)

    def interrupt(self) -> None:
        # Only a flag: everything that sends can block. The reading thread looks at it and acts.
        self._interrupted.set()

    def close(self) -> None:
        self._link.close()

    def _run(self, script: bytes, interrupted: threading.Event) -> Iterator[bytes]:
        self.stderr = b""
        self._complaints = Complaints()
        self._link.wire.allow(ALLOWANCE)
        channel = self._channel()
        try:
            self._start(channel, script)
            yield from self._output(channel, interrupted)
        finally:
            _end(channel)

    def _channel(self) -> Channel:
        where = self._link.where
        try:
            return self._link.transport.open_session(timeout=self._deadlines.channel_s)
        except ChannelException as error:
            if error.code == 1:  # administratively prohibited
                raise TransportError(
                    ErrorClass.DENIED, f"{where} lets this account log in, but run nothing; ask for a shell"
                ) from None
            raise TransportError(
                ErrorClass.QUOTA, f"{where} opens no further session (MaxSessions?): try again later"
            ) from None
        except (SSHException, OSError, EOFError) as error:
            if "imeout" in str(error):
                raise TransportError(
                    ErrorClass.TIMEOUT,
                    f"{where} let us in and then opened no session within {self._deadlines.channel_s:g} s",
                ) from None
            raise self._dropped("when a session was to be opened") from None

    def _start(self, channel: Channel, script: bytes) -> None:
        # exec_command waits without end for an answer, and nothing but closing wakes it up.
        limit_s = self._deadlines.channel_s + len(script) / SLOWEST
        with self._link.closed_after(limit_s) as expired:
            try:
                channel.settimeout(limit_s)
                channel.exec_command(self._shell.command)
                channel.sendall(self._shell.opening + script)
                channel.shutdown_write()
            except TimeoutError:
                raise self._not_started(limit_s) from None
            except (SSHException, OSError, EOFError):
                if expired.is_set():
                    raise self._not_started(limit_s) from None
                if not self._link.transport.is_active():
                    raise self._dropped("when the script was handed over") from None
                if not channel.exit_status_ready() or channel.exit_status == -1:
                    raise TransportError(
                        ErrorClass.DENIED,
                        f"{self._link.where} lets this account log in, but run no command; ask for a shell",
                    ) from None
                # The shell has ended already, before it read the script; its output tells why.

    def _not_started(self, limit_s: float) -> TransportError:
        return TransportError(
            ErrorClass.TIMEOUT,
            f"{self._link.where} did not start a shell and take the script within {limit_s:.0f} s",
        )

    def _output(self, channel: Channel, interrupted: threading.Event) -> Iterator[bytes]:
        received = 0
        ended_at: float | None = None
        deadline = time.monotonic() + self._deadlines.batch_s
        channel.settimeout(POLL_S)
        while not interrupted.is_set():
            if time.monotonic() > deadline:
                raise TransportError(
                    ErrorClass.TIMEOUT,
                    f"{self._link.where}: the batch ran longer than {self._deadlines.batch_s:g} s",
                )
            try:
                chunk = channel.recv(CHUNK)
            except TimeoutError:
                self._keep_stderr(channel)
                # A process left behind by the shell can hold the output open for ever.
                if channel.exit_status_ready():
                    ended_at = ended_at or time.monotonic()
                    if time.monotonic() - ended_at > LINGER_S:
                        return
                continue
            self._keep_stderr(channel)
            if not chunk:
                self._check_ending(channel, received, interrupted)
                return
            received += len(chunk)
            if received > OUTPUT_LIMIT:
                raise TransportError(
                    ErrorClass.BAD_OUTPUT,
                    f"{self._link.where} sent more than {OUTPUT_LIMIT // 1024**2} MB and was cut off",
                )
            self._complaints.keep(chunk, b"")
            yield chunk

    def _keep_stderr(self, channel: Channel) -> None:
        while channel.recv_stderr_ready():
            said = channel.recv_stderr(CHUNK)
            self._complaints.keep(b"", said)
            self.stderr = (self.stderr + said)[-STDERR_KEPT:]

    def _check_ending(self, channel: Channel, received: int, interrupted: threading.Event) -> None:
        """A plain end of the stream is what a cut line looks like too: only an exit status tells."""
        channel.status_event.wait(self._deadlines.channel_s)
        if interrupted.is_set():
            return
        status = channel.exit_status
        if status == -1:
            raise self._dropped("before the batch had ended")
        if self._shell.windows:
            refusal = self._complaints.refusal(self._link.where, status)
            if refusal is not None:
                raise refusal
        elif status and not received:
            complaint = clean_line(self.stderr.decode("utf-8", "replace"), 150)
            raise TransportError(
                ErrorClass.UNSUPPORTED,
                f"{self._link.where} gave the account no POSIX shell (exit status {status}): "
                f"{complaint or 'it said nothing'}",
            )

    def _dropped(self, when: str) -> TransportError:
        if isinstance(self._link.transport.get_exception(), TooMuch):
            return TransportError(ErrorClass.BAD_OUTPUT, f"{self._link.where} sent too much and was cut off")
        if not self._link.transport.is_active():
            bye = self._link.overheard.bye
            said = f" It said: {bye}" if bye else ""
            return TransportError(
                ErrorClass.DROPPED, f"the connection to {self._link.where} broke {when}; try again.{said}"
            )
        return TransportError(
            ErrorClass.DROPPED, f"{self._link.where} ended the shell {when}: was it killed there? Try again"
        )


def _end(channel: Channel) -> None:
    """Leave nothing behind: end what still runs on the machine, then the channel."""
    transport = channel.get_transport()
    if not channel.closed and not channel.exit_status_ready() and transport.is_active():
        # paramiko has no call for this request (RFC 4254, 6.9); OpenSSH obeys it since 7.9.
        message = Message()
        message.add_byte(cMSG_CHANNEL_REQUEST)
        message.add_int(channel.remote_chanid)
        message.add_string("signal")
        message.add_boolean(False)
        message.add_string("TERM")
        try:
            transport.packetizer.send_message(message)
        except (SSHException, OSError, EOFError):
            return  # the line is gone, and with it the way to the machine
    channel.close()
