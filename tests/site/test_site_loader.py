"""A site file is read whole, and everything wrong with it is said at once, with its place."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from checkup.api import Visit
from checkup.site import LoadedSite, Position, SiteFileError, from_public_json, load, load_text, public_json

FILE = Path(__file__).parent / "cedar_ridge.yaml"
TEXT = FILE.read_text(encoding="utf-8")
TODAY = date(2026, 11, 22)


def loaded(text: str = TEXT) -> LoadedSite:
    return load_text(text, path=Path("site.yaml"), today=TODAY)


def changed(*changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


def problems(text: str) -> list[str]:
    with pytest.raises(SiteFileError) as raised:
        loaded(text)
    return str(raised.value).splitlines()


def problem(*changes: tuple[str, str]) -> str:
    (line,) = problems(changed(*changes))
    return line


# --- what is read -----------------------------------------------------------------------------


def test_a_whole_site_is_read() -> None:
    site = load(FILE, today=TODAY).site
    assert site.site.id == "cedar-ridge"
    assert site.contract.installed == date(2026, 4, 20)
    assert site.contract.delivered[0].visit is Visit.THIRTY_DAY
    assert site.functions["adt-lookup"].workaround == "manual registration"
    assert site.tags["critical"].levels["host.volume-space"] == {"tight": 0.2}
    assert site.hosts[0].levels["host.volume-space"]["items"] == {"/srv": {"full": 0.01}}
    assert site.waivers[0].until == date(2027, 1, 31)


def test_targets_carry_what_the_hosts_declare() -> None:
    target = loaded().site.targets()[0]
    assert (target.id, target.endpoint, target.kind) == ("srv-db", "srv-db", "host")
    assert target.declare == {"services": ("postgresql", "cron"), "minutes": 5, "path": "/srv/data"}


def test_values_are_text_as_yaml_1_2_reads_them() -> None:
    site = loaded(changed(("country: US", "country: NO"), ("title: Database server", "title: 17:00"))).site
    assert site.site.country == "NO"
    assert site.hosts[0].title == "17:00"


def test_days_ago_count_from_the_given_day() -> None:
    site = loaded(changed(("2026-04-20", "3 days ago"), ("[2026-05-28]", "[1 day ago]"))).site
    assert site.contract.installed == date(2026, 11, 19)
    assert site.contract.onsite == (date(2026, 11, 21),)


def test_a_bare_transport_name_is_a_whole_connect() -> None:
    assert loaded().site.hosts[4].connect.transport == "local"


def test_default_connect_completes_a_host_and_the_host_wins() -> None:
    first, second, *_ = loaded().site.hosts
    assert first.connect.model_dump()["credential"] == "legacy"
    assert second.connect.model_dump()["credential"] == "linux"
    assert second.connect.model_dump()["jump"] == "bastion"


def test_the_jump_host_does_not_jump_through_itself() -> None:
    assert loaded().site.hosts[2].connect.model_dump()["jump"] == ""


def test_default_connect_of_one_transport_leaves_the_others_alone() -> None:
    site = loaded(changed(("{connect: {credential", "{connect: {transport: ssh, credential"))).site
    assert site.hosts[4].connect.transport == "local"


def test_the_default_transport_completes_a_host_that_names_none() -> None:
    text = changed(
        ("{connect: {credential", "{connect: {transport: ssh, credential"),
        ("      transport: ssh\n      host: 10.40.1.11", "      host: 10.40.1.11"),
    )
    assert loaded(text).site.hosts[1].connect.transport == "ssh"


@pytest.mark.parametrize(
    ("change", "touch"),
    [
        (("role: cath-control", "role: cath-control"), "never"),  # although the default is quiet
        (("role: cath-control", "role: cath-control, touch: quiet"), "quiet"),
        (("role: cath-control", "role: echo"), "quiet"),
        (("role: cath-control", "role: echo, touch: any"), "any"),
    ],
)
def test_a_cath_control_pc_is_never_touched_unless_it_says_so(change: tuple[str, str], touch: str) -> None:
    assert loaded(changed(change)).site.hosts[3].touch == touch


def test_a_machine_may_be_touched_any_time_by_default() -> None:
    assert loaded(changed((", touch: quiet}", "}"))).site.hosts[0].touch == "any"


def test_the_public_site_is_the_site_and_holds_references_only() -> None:
    site = loaded().site
    assert from_public_json(public_json(site)) == site
    assert "keyring:cedar/linux-key" in str(public_json(site))


def test_the_source_map_knows_every_value_and_falls_back_to_what_is_around() -> None:
    source = loaded().source
    assert source.at(("levels", "host.volume-space", "tight")) == Position(26, 30)
    assert source.at(("hosts", 1, "connect")) == Position(41, 5)
    assert source.at(("hosts", 1, "connect", "port")) == Position(41, 5)
    assert source.at(("nowhere", 3)) == Position(1, 1)


# --- what is refused --------------------------------------------------------------------------


def test_every_problem_is_told_in_the_order_of_the_file() -> None:
    text = changed(
        ("country: US", "country: us"), ("package: premium", "package: premum"), ("[srv-if]", "[srv-f]")
    )
    assert problems(text) == [
        "site.yaml:6:12: site.country: must be a country code of two capital letters, like US",
        'site.yaml:10:12: contract.package: must be deluxe or premium (did you mean "premium"?)',
        'site.yaml:19:24: functions.adt-lookup.needs.0: there is no such host (did you mean "srv-if"?)',
    ]


WRONG: dict[str, tuple[str, str, str]] = {
    "unknown key": ("timezone:", "timezome:", '5:3: site.timezome: unknown key (did you mean "timezone"?)'),
    "missing key": ("  name: Cedar Ridge Heart Center\n", "", "2:1: site.name: is missing (add it)"),
    "number for text": ("title: Database server", "title: 8.30", "must be text (put it in quotes)"),
    "truth for text": ("title: Database server", "title: true", "must be text (put it in quotes)"),
    "text for number": ("port: 2222", 'port: "2222"', "must be a whole number (without quotes)"),
    "truth for number": ("port: 2222", "port: true", "must be a whole number"),
    "port out of range": ("port: 2222", "port: 99999", "must be at most 65535"),
    "text for list": ("tags: [critical]", "tags: critical", "must be a list"),
    "text for mapping": ("{needs: [srv-db], workaround: null}", "none", "must be a mapping"),
    "no date": ("installed: 2026-04-20", "installed: 20 April", "11:14: contract.installed: must be a date"),
    "impossible date": ("installed: 2026-04-20", "installed: 2026-02-30", "must be a date (like 2026-04-20)"),
    "other ISO date": ("installed: 2026-04-20", "installed: 20260420", "must be a date (like 2026-04-20)"),
    "version": ("version: 1", "version: 2", "1:10: version: must be 1"),
    "zone": ("America/Denver", "America/Devner", 'no such time zone (did you mean "America/Denver"?)'),
    "zone outside": ("America/Denver", "../../etc/passwd", "no such time zone (like America/Denver)"),
    "transport": (
        "connect: local",
        "connect: lcal",
        "46:25: hosts.4.connect.transport: there is no such transport",
    ),
    "no transport": ("{transport: bundle, file", "{file", "hosts.5.connect: says no transport"),
    "touch": ("touch: any", "touch: quite", '(did you mean "quiet"?)'),
    "interim visit": ("visit: 30-day", "visit: interim", "must be 30-day or six-month or tune-up"),
    "credential": ("credential: legacy", "credential: lagacy", 'no such credential (did you mean "legacy"?)'),
    "waiver target": ("target: ws-1", "target: ws-", "49:40: waivers.0.target: there is no such host"),
    "waiver without end": (", until: 2027-01-31", "", "waivers.0.until: is missing (a waiver always ends"),
    "function without hosts": ("{needs: [srv-db]", "{needs: []", "must not be empty"),
    "user alone": (", agent: true}", "}", "a user alone cannot log in"),
    "passphrase alone": ("key: ~/.ssh/id_ed25519", "agent: true", "a passphrase without a key"),
    "misspelt role": ("role: cath-control", "role: cath-ctrl", 'did you mean "cath-control"?'),
    "jump to nowhere": (
        "jump: bastion}",
        "jump: basion}",
        "24:47: defaults.connect.jump: there is no such host",
    ),
    "jump through this PC": ("jump: bastion}", "jump: this}", "this host cannot be jumped through"),
    "jump through the untouched": ("{id: bastion,", "{id: bastion, touch: never,", "never touched"),
    "jump in a circle": ("credential: agent}", "credential: agent, jump: cath-1}", "round in a circle"),
    "default unknown": (
        "{credential: linux,",
        "{credentail: linux,",
        "24:34: defaults.connect.credentail: unknown",
    ),
    "default value": ("{credential: linux,", "{port: x,", "defaults.connect.port: must be a whole number"),
    "level of no type": ("{tight: 0.15}", "{tight: null}", "must be a number, text, true or false"),
    "declared float": ("minutes: 5", "minutes: 5.5", "must be text, a whole number, or a list of texts"),
    "mapping for text": ("tags: [critical]", "tags: [{}]", "hosts.0.tags.0: must be text"),
    "upper-case id": ("id: ws-1", "id: WS-1", "must be lower-case letters, digits and hyphens"),
    "a tag": ("title: Database server", "title: !!python/name:os.system x", "31:12: hosts.0.title: a tag"),
    "a number as key": ("{tight: 0.15}", "{1: 0.15}", "a key that is not text (put it in quotes)"),
    "control character": ("title: Database server", 'title: "a\\ab"', "an invisible control character"),
    "half a character": ("title: Database server", 'title: "\\ud800"', "an invisible control character"),
    "merge key": ("id: srv-if", "<<: {}\n    id: srv-if", "39:5: hosts.1: unknown key"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told_with_its_place_and_what_to_do(name: str) -> None:
    old, new, expected = WRONG[name]
    assert any(expected in line for line in problems(changed((old, new))))


def test_an_id_that_is_taken_is_told_with_the_line_of_the_first() -> None:
    assert "hosts.3.id: another host has this id (it is on line 30)" in problem(("id: cath-1", "id: srv-db"))


def test_a_key_given_twice_is_told_with_the_line_of_the_first() -> None:
    line = problem(("  country: US\n", "  country: US\n  country: CA\n"))
    assert line == "site.yaml:7:3: site: the same key a second time (first on line 6; keep one)"


def test_a_wrong_default_is_told_once_and_where_it_stands() -> None:
    line = problem(("{credential: linux,", "{credential: linx,"))
    assert line.startswith("site.yaml:24:34: defaults.connect.credential: there is no such credential")


def test_a_second_waiver_for_one_finding_is_refused() -> None:
    waiver = TEXT.splitlines()[48]
    assert "a second waiver for the same finding" in problem((waiver, f"{waiver}\n{waiver}"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1:1: the file is empty (`checkup init` writes a first one)"),
        ("# nothing\n", "1:1: the file is empty"),
        ("- a\n- b\n", "1:1: not a site file (it begins with `version: 1`"),
        ("site: {id: x\nname: y\n", "site.yaml:2:"),
        ("site:\n\tid: x\n", "2:1: a tab (indent with spaces, never with tabs)"),
        ("a: 1\n---\nb: 2\n", "2:1: a second document begins here"),
        ("%YAML 1.1\n---\na: NO\n", "1:1: written for another version of YAML"),
        ("a: b: c\n", "1:5: a second `: ` on one line"),
        ("a: 'x\n", "a quotation mark that is never closed"),
        ("a: @x\n", "1:4: a character that plain text cannot begin with (put the text in quotes)"),
        ("a: *x\n", "1:4: an alias (*name) to an anchor (&name) that is not there"),
        ("a: &x [*x]\n", "1:8: an alias inside of what it stands for"),
        ("a: &x 1\n*x : 2\n", "2:1: an alias (*name) as a key"),
        ("? [a]\n: b\n", "1:3: a list or mapping as a key"),
        ('a: "\\U99999999"\n', "not valid YAML"),
        ("a: \x01\n", "1:4: a character that YAML does not allow"),
        ("[" * 100_000, "1:21: nested deeper than 20 levels"),
    ],
)
def test_what_is_no_site_file_at_all(text: str, expected: str) -> None:
    (line,) = problems(text)
    assert expected in line


def test_an_alias_repeats_a_value() -> None:
    text = changed(("tags: [critical]", "tags: &tags [critical]"), ("    touch: any", "    tags: *tags"))
    assert loaded(text).site.hosts[1].tags == ("critical",)


def test_aliases_are_few() -> None:
    text = "a: &a x\nb: [" + ", ".join(["*a"] * 51) + "]\n"
    assert problems(text) == ["site.yaml:2:205: more than 50 aliases (*name) (write the values out)"]


def test_aliases_of_aliases_are_refused_before_they_exist() -> None:
    bomb = "a0: &a0 x\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 25))
    assert "more than 100,000 values" in problems(bomb)[0]


# --- files ------------------------------------------------------------------------------------


def file_problem(path: Path) -> str:
    with pytest.raises(SiteFileError) as raised:
        load(path, today=TODAY)
    return str(raised.value).removeprefix(str(path))


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    assert file_problem(tmp_path / "site.yaml") == ": there is no such file"
    assert file_problem(tmp_path) == ": is not a file"


def test_a_file_beyond_one_megabyte_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(b"&" * 5_000_000)
    assert file_problem(path) == ": is larger than 1 MB (a site file is a few pages of text)"


@pytest.mark.parametrize(
    ("data", "place"), [(b"a: 1\r\nb: caf\xe9\n", ":2:7"), ("a: 1".encode("utf-16"), ":1:1")]
)
def test_a_file_that_is_not_utf_8(tmp_path: Path, data: bytes, place: str) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(data)
    assert file_problem(path) == f"{place}: is not UTF-8 text (save the file with the encoding UTF-8)"


def test_a_file_of_windows_is_read_and_placed_the_same(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert load(path, today=TODAY).source.at(("hosts", 0, "id")) == Position(30, 9)
