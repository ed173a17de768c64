"""Names that one part of the site file gives and another uses.

These checks read the file's plain data, not the models, so that their problems come together with
those of shape and not after them. What has the wrong shape they leave alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from checkup.access_depth import DATA_PAGES, SERVER_PAGES, WITH_ROWS, WITHOUT_ROWS, over_link, way_to
from checkup.api import JSON
from checkup.site.expand import UNTOUCHED_ROLE, Expanded, has_field, mapping
from checkup.site.models import NAME_PATTERN
from checkup.site.problems import KeyPath, Problem, SourceMap, is_close, nearest
from checkup.transports import CONNECTS


def check(expanded: Expanded, source: SourceMap) -> list[Problem]:
    """Every name that is given twice, or used and given nowhere."""
    site = mapping(expanded.data)
    hosts = {index: mapping(host) for index, host in enumerate(_list(site.get("hosts")))}
    files = {index: mapping(file) for index, file in enumerate(_list(site.get("access")))}
    instances = {index: mapping(one) for index, one in enumerate(_list(site.get("sql")))}
    ids = [
        one
        for given in (hosts, files, instances)
        for each in given.values()
        if isinstance(one := each.get("id"), str)
    ]
    complaints = [
        *_unique_ids(hosts, source),
        *_files(files, hosts, mapping(site.get("credentials"))),
        *_instances(instances, hosts, files, mapping(site.get("credentials"))),
        *_roles(hosts),
        *_defaults(mapping(mapping(site.get("defaults")).get("connect"))),
        *_credentials(hosts, mapping(site.get("credentials"))),
        *_jumps(hosts),
        *_functions(mapping(site.get("functions")), ids),
        *_waivers(_list(site.get("waivers")), ids),
    ]
    problems = (_located(complaint, expanded, source) for complaint in complaints)
    # A wrong default is wrong under each host that takes it, and is told once.
    return list(dict.fromkeys(problems))


Complaint = tuple[KeyPath, str, str]
Hosts = dict[int, dict[str, JSON]]


def _located(complaint: Complaint, expanded: Expanded, source: SourceMap) -> Problem:
    keypath, message, hint = complaint
    keypath = expanded.origin(keypath)
    return Problem(source.at(keypath), keypath, message, hint)


def _list(data: JSON) -> list[JSON]:
    return data if isinstance(data, list) else []


def _unknown(keypath: KeyPath, name: JSON, valid: Iterable[str], message: str) -> Iterator[Complaint]:
    """A complaint if `name` is text, not empty, and none of the valid names."""
    valid = list(valid)
    if isinstance(name, str) and name and name not in valid:
        yield keypath, message, nearest(name, valid)


def _unique_ids(hosts: Hosts, source: SourceMap) -> Iterator[Complaint]:
    first: dict[str, int] = {}
    for index, host in hosts.items():
        name = host.get("id")
        if isinstance(name, str) and first.setdefault(name, index) != index:
            line = source.at(("hosts", first[name], "id")).line
            yield ("hosts", index, "id"), "another host has this id", f"it is on line {line}"


def _files(files: Hosts, hosts: Hosts, credentials: dict[str, JSON]) -> Iterator[Complaint]:
    """An Access file has a name of its own, and lies on a host of the site."""
    known = [str(host.get("id")) for host in hosts.values()]
    taken = set(known)
    for index, file in files.items():
        name = file.get("id")
        if isinstance(name, str) and name in taken:
            yield ("access", index, "id"), "a host or another file has this id", "choose another"
        taken.add(str(name))
        yield from _unknown(("access", index, "host"), file.get("host"), known, "there is no such host")
        given = mapping(file.get("reach")).get("credential")
        path = ("access", index, "reach", "credential")
        yield from _unknown(path, given, credentials, "there is no such credential")
        yield from _depth(index, file, hosts)


def _depth(index: int, file: dict[str, JSON], hosts: Hosts) -> Iterator[Complaint]:
    """Pages with patients' values cross a link only where the client has agreed to it."""
    depth, consent = file.get("depth"), _list(file.get("consent"))
    by_driver = mapping(file.get("reach"))
    read_by_driver = str(by_driver.get("path") or file.get("path"))
    # A driver is asked to count, and reads whatever it likes for that.
    if (
        by_driver.get("transport") == "odbc"
        and over_link("odbc", read_by_driver)
        and DATA_PAGES not in consent
    ):
        said = "the driver would read pages with patients' values over a link, and nobody has agreed to it"
        yield ("access", index, "reach"), said, f"write `consent: [{DATA_PAGES}]` if the client has"
    host = next((host for host in hosts.values() if host.get("id") == file.get("host")), None)
    if depth not in WITH_ROWS or host is None:
        return
    reach = mapping(file.get("reach"))
    way = way_to(str(reach.get("transport") or ""), str(mapping(host.get("connect")).get("transport")))
    path = str(reach.get("path") or file.get("path"))
    if way == SERVER_PAGES:
        said = "a server hands out no pages with patients' values"
        hint = f"write `depth: {WITHOUT_ROWS}`, or a `reach:` by smb with `consent: [{DATA_PAGES}]`"
        yield ("access", index, "depth"), said, hint
    elif over_link(way, path) and DATA_PAGES not in consent:
        said = "at this depth pages with patients' values cross a link, and nobody has agreed to it"
        hint = f"write `consent: [{DATA_PAGES}]` if the client has, else `depth: {WITHOUT_ROWS}`"
        yield ("access", index, "depth"), said, hint


def _instances(
    instances: Hosts, hosts: Hosts, files: Hosts, credentials: dict[str, JSON]
) -> Iterator[Complaint]:
    """A SQL instance has a name of its own; its host, its tunnel and its credential are the site's."""
    connects = {str(host.get("id")): mapping(host.get("connect")) for host in hosts.values()}
    untouched = {str(host.get("id")) for host in hosts.values() if _never_touched(host)}
    taken = {str(one.get("id")) for given in (hosts, files) for one in given.values()}
    for index, instance in instances.items():
        path: KeyPath = ("sql", index)
        name = instance.get("id")
        if isinstance(name, str) and name in taken:
            yield (*path, "id"), "a host, a file or another instance has this id", "choose another"
        taken.add(str(name))
        host, via = instance.get("host"), instance.get("via")
        yield from _unknown((*path, "host"), host, connects, "there is no such host")
        yield from _unknown(
            (*path, "credential"), instance.get("credential"), credentials, "there is no such credential"
        )
        connect = connects.get(str(host), {})
        reached = connect.get("host") or connect.get("transport") == "local"
        if host in connects and not instance.get("server") and not reached:
            said = "this host has no address that the instance could be reached at"
            yield (*path, "host"), said, "add `server:` with the address"
        if isinstance(via, str) and via:
            able = [one for one, way in connects.items() if way.get("transport") == "ssh"]
            yield from _unknown((*path, "via"), via, able, "there is no such host reached by ssh")
            if via in untouched:
                said = "this host is never touched, so nothing goes through it"
                yield (*path, "via"), said, "write its `touch:`"


def _roles(hosts: Hosts) -> Iterator[Complaint]:
    """Roles are free words, but a misspelt one must not lift the protection of a cath-lab PC."""
    for index, host in hosts.items():
        role = host.get("role")
        if isinstance(role, str) and role != UNTOUCHED_ROLE and is_close(role, [UNTOUCHED_ROLE], cutoff=0.75):
            hint = f'did you mean "{UNTOUCHED_ROLE}"? Else choose a word that is less like it'
            yield ("hosts", index, "role"), "too much like the role that is never touched", hint


def _defaults(connect: dict[str, JSON]) -> Iterator[Complaint]:
    transport = connect.get("transport")
    if transport is not None and transport not in CONNECTS:
        yield from _unknown(
            ("defaults", "connect", "transport"), transport, CONNECTS, "there is no such transport"
        )
        return
    models = [CONNECTS[transport]] if isinstance(transport, str) else list(CONNECTS.values())
    valid = sorted({key for model in models for key in model.model_fields})
    for key in connect:
        if key not in valid:
            yield ("defaults", "connect", key), "unknown key", nearest(key, valid)


def _credentials(hosts: Hosts, credentials: dict[str, JSON]) -> Iterator[Complaint]:
    # A name that is none may be a secret in the wrong place: no hint repeats it.
    known = [name for name in credentials if re.match(NAME_PATTERN, name)]
    for index, host in hosts.items():
        for way in ("connect", "fallback"):
            connect = mapping(host.get(way))
            if has_field(connect.get("transport"), "credential"):
                path = ("hosts", index, way, "credential")
                yield from _unknown(path, connect.get("credential"), known, "there is no such credential")


def _jumps(hosts: Hosts) -> Iterator[Complaint]:
    """A jump host is a host that itself takes jumps (that is: speaks SSH), and no jump leads back."""
    connects = {str(host.get("id")): mapping(host.get("connect")) for host in hosts.values()}
    able = [host_id for host_id, connect in connects.items() if has_field(connect.get("transport"), "jump")]
    untouched = {str(host.get("id")) for host in hosts.values() if _never_touched(host)}
    for index, host in hosts.items():
        connect = mapping(host.get("connect"))
        jump = connect.get("jump")
        if not has_field(connect.get("transport"), "jump") or not isinstance(jump, str) or not jump:
            continue
        path = ("hosts", index, "connect", "jump")
        if jump not in connects:
            yield from _unknown(path, jump, able, "there is no such host")
        elif jump not in able:
            yield path, "this host cannot be jumped through", nearest(jump, able) or "only ssh hosts can"
        elif jump in untouched:
            yield path, "this host is never touched, so not jumped through either", "write its `touch:`"
        elif _leads_back(str(host.get("id")), connects):
            yield path, "the jumps go round in a circle", "let one of the hosts be reached directly"


def _never_touched(host: dict[str, JSON]) -> bool:
    return host.get("touch", "never" if host.get("role") == UNTOUCHED_ROLE else "any") == "never"


def _leads_back(start: str, connects: dict[str, dict[str, JSON]]) -> bool:
    seen: set[str] = set()
    host = start
    while isinstance(jump := connects.get(host, {}).get("jump"), str) and jump and jump not in seen:
        if jump == start:
            return True
        seen.add(jump)
        host = jump
    return False


def _functions(functions: dict[str, JSON], ids: list[str]) -> Iterator[Complaint]:
    for name, function in functions.items():
        for number, need in enumerate(_list(mapping(function).get("needs"))):
            yield from _unknown(("functions", name, "needs", number), need, ids, "there is no such host")


def _waivers(waivers: list[JSON], ids: list[str]) -> Iterator[Complaint]:
    seen: set[tuple[str, str, str]] = set()
    for index, waiver in enumerate(map(mapping, waivers)):
        yield from _unknown(("waivers", index, "target"), waiver.get("target"), ids, "there is no such host")
        identity = (str(waiver.get("probe")), str(waiver.get("target", "")), str(waiver.get("item", "")))
        if identity in seen:
            yield ("waivers", index), "a second waiver for the same finding", "keep one"
        seen.add(identity)
