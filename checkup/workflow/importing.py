"""`checkup import`: answers that were brought as files become a run of the open visit.

Every file is looked into before anything is kept: what is damaged, foreign or known already is refused by
name. What is left goes the way of every answer, through `collect` with the bundle transport.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from checkup.api import Visit
from checkup.plan import EndpointPlan, Plan
from checkup.site import Site
from checkup.transports import TransportError, bundle
from checkup.transports.bundle_file import Content, Stream, digest, read_content
from checkup.workflow.assessing import NothingCollected
from checkup.workflow.bundling import batches_on, bundle_plan, by_bundle, start_of, tokens_of
from checkup.workflow.check_up import Done, Progress, Say
from checkup.workflow.collecting import FIRST_LOOK_BACK, STAYS_OPEN, RunOutcome, plan_of, start_run
from checkup.workflow.conclude import conclude
from checkup.workflow.exit_status import Exit
from checkup.workflow.open_visit import open_visit_or
from checkup.workflow.prepare import Prepared, prepare, store_at, utc_now

if TYPE_CHECKING:
    from checkup.store import RunRecord, Store

OTHER_PLAN = "made by another plan"


class ImportRefused(NothingCollected):
    """None of the files can be taken; the message names each with what is wrong and what to do."""


@dataclass(frozen=True, kw_only=True)
class ImportWish:
    """What the user asked of an import; `partial` takes what is whole of a damaged file."""

    site_file: Path
    files: tuple[Path, ...]
    partial: bool = False
    visit: str = "auto"
    parallel: int = 64
    store: str | None = None
    # of its report:
    output: Path = Path("reports")
    pdf: Path | None = None
    fail_on: str = "none"


@dataclass(frozen=True, kw_only=True)
class Brought:
    """A file that can be taken, and which of its machines are taken from it."""

    path: Path
    sha256: str
    content: Content
    endpoints: tuple[str, ...]


# --- one file, looked into ----------------------------------------------------------------------


Pinned = Callable[[str], str | None]  # the identity that an endpoint is known by


def problems(content: Content, site: Site, pinned: Pinned, *, partial: bool = False) -> list[str]:
    """Why a file is refused, one sentence each; empty where it is whole and of this site's machines.

    With `partial` damage is no reason, as long as something is whole.
    """
    return [*_foreign(content, site, pinned), *([] if partial else _damage(content))]


def _foreign(content: Content, site: Site, pinned: Pinned) -> Iterator[str]:
    """What no `--partial` makes acceptable."""
    if not content.streams and not content.unreached:
        yield (
            "it holds no answer of a check-up. The file that is wanted is the one that the script wrote "
            "(NAME_<date>-<time>.bundle), not the script itself"
        )
    hosts = {host.id: host for host in site.hosts}
    for stream in content.streams:
        if not stream.hello:
            continue  # damaged; see there
        said = stream.hello.get("site", "")
        name = stream.endpoint
        if said != site.site.id:
            yield f"{name} answers for site {said!r}, not for {site.site.id!r}: give it to that site's file"
        elif name not in hosts:
            known = ", ".join(sorted(hosts))
            yield f"the site file has no host {name!r} (it has: {known}): add it there, or take it out here"
        elif stream.hello.get("platform", "posix") != hosts[name].platform:
            yield (
                f"{name} answers as {stream.hello.get('platform')}, the site file says `platform: "
                f"{hosts[name].platform}`: correct it there"
            )
        else:
            yield from _other_machine(stream, pinned(name))
    for one in content.unreached:
        if one.endpoint not in hosts:
            yield f"the site file has no host {one.endpoint!r}: is it a file of another site?"


def _other_machine(stream: Stream, pinned: str | None) -> Iterator[str]:
    """A machine can tell several numbers of itself (`kind:number`); only like is compared with like."""
    said = stream.hello.get("identity", "")
    alike = pinned is not None and pinned.partition(":")[0] == said.partition(":")[0]
    if alike and said != pinned:
        yield (
            f"{stream.endpoint} is another machine than before: it says {said}, known is {pinned}. Was the "
            f"script run on the right computer? If the machine was replaced, put `identity: {said}` into the "
            "site file"
        )


def _damage(content: Content) -> Iterator[str]:
    again = "have it sent again as an attachment (in a ZIP file it stays as it is), or take with --partial"
    told = {one.endpoint for one in content.unreached}
    for stream in content.streams:
        name = stream.endpoint or "an unknown machine"
        if stream.damaged:
            what = ", ".join(dict.fromkeys(stream.damaged))
            yield f"the answer of {name} is damaged: check sums are wrong (in: {what}); {again} what is whole"
        elif stream.unchecked:
            yield (
                f"the answer of {name} has no check sums, so nobody can tell whether it is whole; take it "
                "with --partial if you trust its way here"
            )
        elif not stream.ended and stream.endpoint not in told:
            last = stream.sections[-1] if stream.sections else "its first frame"
            where = f"in {stream.broken_in!r}" if stream.broken_in else f"after {last!r}"
            yield (
                f"the answer of {name} breaks off {where}: the script was stopped, or the file was "
                f"copied while it was being written; {again} what is there"
            )
    if content.cut_short:
        yield f"it is damaged in more places than are looked at; {again} what is whole"
    missing = (content.machines or 0) - len(content.endpoints)
    if content.machines is not None and missing > 0:
        yield (
            f"it announces {content.machines} machines and tells of {len(content.endpoints)}: the script was "
            f"stopped before its end; {again} what is there"
        )


def usable(content: Content, site: Site) -> tuple[str, ...]:
    """The machines of which anything can be taken."""
    hosts = {host.id for host in site.hosts}
    return tuple(name for name in content.endpoints if name in hosts)


# --- what the store knows -----------------------------------------------------------------------


def imports_of(runs: Iterable[RunRecord]) -> dict[tuple[str, str], str]:
    """The run by which an endpoint's answer was imported, by the file's SHA-256 and the endpoint."""
    found: dict[tuple[str, str], str] = {}
    for run in runs:
        site = cast("Mapping[str, Any]", run.site_json or {})
        for host in site.get("hosts", ()):
            sha256 = host.get("connect", {}).get("sha256")
            if sha256:
                found[sha256, host["id"]] = run.id
    return found


def known_batch(stream: Stream, endpoint: EndpointPlan, runs: Iterable[RunRecord], now: datetime) -> bool:
    """Was the answer made by a script of this site's: of its current plan, or of a run's in the store?

    A bundle looks back to a day that depends on when it was made, so those of the last weeks are tried.
    """
    token = stream.hello.get("batch", "")[:12]
    days = (timedelta(days=number) for number in range(STAYS_OPEN.days))
    made_today = start_of(now) - FIRST_LOOK_BACK
    if token in tokens_of(endpoint) or token in batches_on(endpoint, days, made_today):
        return True
    return any(
        token in tokens_of(one)
        for run in runs
        if now - run.started_at < STAYS_OPEN
        for one in plan_of(run).endpoints
        if one.endpoint == endpoint.endpoint and one.platform == endpoint.platform
    )


# --- the files of one import --------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """What became of the files: those to take, and a sentence for each that is not."""

    taken: tuple[Brought, ...]
    refused: tuple[str, ...]
    known: tuple[str, ...]


def sort_files(files: Sequence[Path], site: Site, store: Store, *, partial: bool) -> Sorted:
    """Look into the files. Keeps nothing, contacts nothing."""
    pins = {host.id: host.identity for host in site.hosts if host.identity}
    before = {
        key: run
        for key, run in imports_of(store.runs(site.site.id)).items()
        if key[1] in store.finished_endpoints(run)
    }

    def pinned(endpoint: str) -> str | None:
        return pins.get(endpoint) or store.identity(site.site.id, endpoint)

    taken: list[Brought] = []
    refused: list[str] = []
    known: list[str] = []
    for path in dict.fromkeys(files):
        try:
            data = bundle.read_file(path)
        except TransportError as error:
            refused.append(error.detail)
            continue
        content, sha256 = read_content(data), digest(data)
        wrong = problems(content, site, pinned, partial=partial)
        endpoints = usable(content, site)
        imported = {name: before[sha256, name] for name in endpoints if (sha256, name) in before}
        fresh = tuple(name for name in endpoints if name not in imported)
        if wrong:
            refused += [f"{path}: {text}" for text in wrong]
        elif not fresh and imported:
            known.append(f"{path}: already imported as run {', '.join(dict.fromkeys(imported.values()))}")
        elif any(one.sha256 == sha256 for one in taken):
            known.append(f"{path}: the same file as {next(o.path for o in taken if o.sha256 == sha256)}")
        elif not fresh:
            refused.append(f"{path}: nothing in it is whole enough to be taken")
        else:
            taken.append(Brought(path=path, sha256=sha256, content=content, endpoints=fresh))
    return Sorted(taken=tuple(taken), refused=tuple(refused), known=tuple(known))


def rounds(taken: Sequence[Brought]) -> list[dict[str, Brought]]:
    """The files by endpoint, for as few runs as possible: in one run a machine answers once, and what it
    said earlier comes first."""
    queues: dict[str, list[Brought]] = {}
    for brought in sorted(taken, key=lambda one: (_told_at(one), str(one.path))):
        for endpoint in brought.endpoints:
            queues.setdefault(endpoint, []).append(brought)
    longest = max((len(queue) for queue in queues.values()), default=0)
    return [
        {endpoint: queue[number] for endpoint, queue in queues.items() if number < len(queue)}
        for number in range(longest)
    ]


def _told_at(brought: Brought) -> float:
    """When the first of its machines said HELLO; what is no time sorts first."""
    times = [_seconds(stream.hello.get("utc", "")) for stream in brought.content.streams]
    return min(times, default=0.0)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


# --- the command --------------------------------------------------------------------------------


def import_files(
    wish: ImportWish, *, progress: Progress, say: Say, clock: Callable[[], datetime] = utc_now
) -> Done:
    """Take the files into the open visit, analyse it and write its report, as `checkup run` does.

    Raises ImportRefused where no file can be taken. Files that were imported before are said to be, and
    are no error.
    """
    prepared = prepare(wish.site_file, clock())
    with store_at(wish.store) as store:
        files = sort_files(wish.files, prepared.site, store, partial=wish.partial)
        for text in files.known:
            say(text)
        if not files.taken and files.refused:
            raise ImportRefused("\n".join(files.refused))
        for text in files.refused:
            say(f"not taken: {text}")
        if not files.taken:
            return Done(status=Exit.COMPLETE)
        done = take(wish, prepared, store, files.taken, progress=progress, say=say, clock=clock)
        if files.refused and done.status in (Exit.COMPLETE, Exit.FINDINGS):
            return replace(done, status=Exit.INCOMPLETE)
        return done


def take(
    wish: ImportWish,
    prepared: Prepared,
    store: Store,
    taken: Sequence[Brought],
    *,
    progress: Progress,
    say: Say,
    clock: Callable[[], datetime],
) -> Done:
    """The files become runs of the visit, and the visit is judged."""
    visit = open_visit_or(wish.visit, prepared.site, store, clock())
    outcome: RunOutcome | None = None
    for by_endpoint in rounds(taken):
        own, plan = _run_of(prepared, store, visit, by_endpoint, say, clock())
        with progress(len(plan.endpoints)) as emit:
            outcome = start_run(own, store, plan, clock=clock, emit=emit, parallel=wish.parallel)
        say(f"{', '.join(sorted(by_endpoint))}: imported as run {outcome.run_id}, {visit.value}")
        if outcome.collected.interrupted:
            say("interrupted: what was finished is kept; import the same files again for the rest")
        if outcome.collected.interrupted or outcome.collected.failure is not None:
            break
    assert outcome is not None  # a file that is taken has a machine
    end = conclude(
        store,
        outcome,
        prepared.catalogue,
        output=wish.output,
        pdf=wish.pdf,
        fail_on=wish.fail_on,
        say=say,
    )
    return Done(status=end.status, run_id=outcome.run_id, assessment=end.assessment, written=end.written)


def _run_of(
    prepared: Prepared,
    store: Store,
    visit: Visit,
    by_endpoint: Mapping[str, Brought],
    say: Say,
    now: datetime,
) -> tuple[Prepared, Plan]:
    """The site with these machines read from their files, and the plan of that."""
    names = [host.id for host in prepared.site.hosts if host.id in by_endpoint]
    plan = bundle_plan(prepared, store, visit, now, names)
    runs = store.runs(prepared.site.site.id)
    connects: dict[str, bundle.Connect] = {}
    for endpoint in plan.endpoints:
        if endpoint.endpoint not in by_endpoint:
            continue  # an Access file, whose pages its machine's answer brings
        brought = by_endpoint[endpoint.endpoint]
        stream = brought.content.stream_of(endpoint.endpoint)
        strange = stream is not None and not known_batch(stream, endpoint, runs, now)
        if strange:
            say(
                f"{brought.path}: the answer of {endpoint.endpoint} was {OTHER_PLAN} than this site file and "
                "store know; what it lacks is reported as not checked"
            )
        connects[endpoint.endpoint] = bundle.Imported(
            transport="bundle",
            file=brought.path.absolute(),
            sha256=brought.sha256,
            remark=OTHER_PLAN if strange else "",
        )
    return by_bundle(prepared, connects), plan
