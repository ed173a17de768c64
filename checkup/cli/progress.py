"""Live progress on a terminal: a bar for each running target and a total. Plain lines elsewhere."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from checkup.collect.events import EndpointFinished, EndpointStarted, Event, SectionArrived


class RunProgress:
    """Takes the events of a run from any thread."""

    def __init__(self, endpoints: int, *, live: bool) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._live = live and self._console.is_terminal
        self._lock = threading.Lock()
        self._done, self._endpoints = 0, endpoints
        self._bars: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._live,
        )
        self._total = self._progress.add_task("all machines", total=endpoints)

    def __enter__(self) -> RunProgress:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case EndpointStarted(endpoint, sections):
                    if self._live:
                        self._bars[endpoint] = self._progress.add_task(escape(endpoint), total=sections)
                case SectionArrived(endpoint):
                    if endpoint in self._bars:
                        self._progress.advance(self._bars[endpoint])
                case EndpointFinished():
                    self._finished(event)

    def _finished(self, event: EndpointFinished) -> None:
        self._done += 1
        self._progress.advance(self._total)
        if event.endpoint in self._bars:
            self._progress.remove_task(self._bars.pop(event.endpoint))
        state = "[yellow]not complete[/]" if event.error else "[green]done[/]"
        counted = f"{event.ok} of {event.sections} sections, {event.seconds:.1f} s"
        why = f" - {escape(str(event.error))}: {escape(event.reason)}" if event.error else ""
        self._console.print(
            f"[{self._done}/{self._endpoints}] {escape(event.endpoint)}: {state}, {counted}{why}",
            soft_wrap=True,
        )
