"""How far `checkup sample` is: one line that is written anew on a terminal, a line each round elsewhere."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.status import Status

from checkup.collect.sampling import EndpointSamples, Taken
from checkup.workflow.sampling import shown


class SampleProgress:
    def __init__(self, *, live: bool) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self._status = Status("", console=self._console) if live and self._console.is_terminal else None

    def __enter__(self) -> SampleProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)

    def __call__(self, taken: Taken) -> None:
        text = line(taken)
        if self._status is None:
            self.say(text)
        else:
            self._status.update(text)
            self._status.start()


def line(taken: Taken) -> str:
    """One round for people."""
    left = f"{shown(taken.left)} left" if taken.left else "the last"
    each = "; ".join(_endpoint(one, taken.number) for one in taken.endpoints)
    return f"sample {taken.number} of {taken.of}, {left}: {each}"


def _endpoint(one: EndpointSamples, number: int) -> str:
    if one.good == number:
        return f"{one.endpoint} {one.sections} sections"
    why = f" ({one.reason})" if one.reason else ""
    return f"{one.endpoint} {one.good} of {number}{why}"
