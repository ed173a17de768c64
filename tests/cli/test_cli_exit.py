"""What the shell is told (design, section 9), and which of several wins."""

from __future__ import annotations

import pytest

from checkup.api import Quality
from checkup.batch.frames import Frame
from checkup.workflow.exit_status import Exit, exit_status
from tests.workflow.conftest import Clinic, Ended, answer_of, checkup, install_probe, own_probe

pytestmark = pytest.mark.usefixtures("paper")


class Lamps:
    """A clinic with one lamp on each host: green, red, broken (P1 when nothing helps), or hidden."""

    def __init__(self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clinic = clinic
        self._monkeypatch = monkeypatch

    def run(
        self, *colours: str, impact: str = "LIMITED", workaround: str | None = None, more: str = ""
    ) -> Ended:
        source = own_probe("echo green", impact=impact)
        self._monkeypatch.syspath_prepend(install_probe(self.clinic.folder, source))
        for colour in colours:
            status = Quality.DENIED if colour == "hidden" else Quality.OK
            lamp = Frame(
                kind="SECTION",
                target=colour,
                section="lamp",
                version=1,
                status=status,
                payload=colour.encode(),
            )
            self.clinic.add_bundle(colour, answer_of(colour, [lamp]))
        functions = {"light": {"needs": list(colours), "workaround": workaround}}
        self.clinic.more.setdefault("functions", functions)
        return checkup("run", self.clinic.site_file, "--only", "own", *more.split())


@pytest.fixture
def lamps(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> Lamps:
    return Lamps(clinic, monkeypatch)


def test_0_when_complete(lamps: Lamps) -> None:
    assert lamps.run("green").status == 0


def test_0_with_findings_when_nobody_asked_to_fail(lamps: Lamps) -> None:
    assert lamps.run("red").status == 0


@pytest.mark.parametrize(("fail_on", "status"), [("p3", 1), ("p2", 0), ("p1", 0)])
def test_1_with_findings_at_or_above_the_wanted_priority(lamps: Lamps, fail_on: str, status: int) -> None:
    assert lamps.run("red", more=f"--fail-on {fail_on}").status == status


def test_3_when_something_could_not_be_checked(lamps: Lamps) -> None:
    assert lamps.run("green", "hidden").status == 3


def test_4_when_nothing_could_be_assessed(lamps: Lamps) -> None:
    assert lamps.run("hidden").status == 4


def test_10_for_an_actual_p1(lamps: Lamps) -> None:
    assert lamps.run("red", impact="DOWN").status == 10


def test_a_way_round_makes_it_no_p1(lamps: Lamps) -> None:
    assert lamps.run("red", impact="DOWN", workaround="a candle").status == 0


def test_a_waived_p1_does_not_await_confirmation(lamps: Lamps) -> None:
    lamps.clinic.more["waivers"] = [
        {
            "probe": "own.lamp",
            "target": "red",
            "reason": "new lamps are ordered",
            "approved_by": "R. Alvarado",
            "until": "2999-12-31",
        }
    ]
    assert lamps.run("red", impact="DOWN").status == 0


def test_10_comes_before_3_and_1(lamps: Lamps) -> None:
    assert lamps.run("red", "hidden", impact="DOWN", more="--fail-on p1").status == 10


def test_3_comes_before_1(lamps: Lamps) -> None:
    assert lamps.run("red", "hidden", more="--fail-on p3").status == 3


def test_4_comes_before_10(lamps: Lamps) -> None:
    (lamps.clinic.folder / "reports").write_text("a file is in the way")
    assert lamps.run("red", impact="DOWN").status == 4


def test_130_comes_before_4() -> None:
    assert exit_status(None, written=False, interrupted=True) is Exit.INTERRUPTED


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("run site.yaml --nonsense", "No such option"),
        ("run", "Missing argument"),
        ("nonsense", "No such command"),
        ("run missing.yaml", "there is no such file"),
        ("run site.yaml --only host.uptim", "did you mean 'host.uptime'?"),
        ("run site.yaml --only zzz", "`checkup probes` lists them"),
        ("run site.yaml --host nobody", "no host 'nobody' (it has: srv)"),
        ("run site.yaml --visit yearly", "yearly"),
        ("plan site.yaml --only host.uptim", "did you mean 'host.uptime'?"),
        ("probes show host.uptim", "did you mean 'host.uptime'?"),
    ],
)
def test_2_for_what_cannot_be_meant_and_nothing_is_touched(clinic: Clinic, arguments: str, said: str) -> None:
    clinic.add_bundle("srv")
    assert clinic.site_file.exists()
    ended = checkup(*arguments.split())
    assert ended.status == 2
    assert said in " ".join(ended.err.split())
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert not (clinic.folder / "reports").exists()


def test_4_for_a_run_that_nobody_knows(clinic: Clinic) -> None:
    ended = checkup("report", "nobody")
    assert ended.status == 4
    assert "`checkup history` lists what there is" in ended.err


def test_4_when_no_machine_could_be_reached(clinic: Clinic) -> None:
    clinic.hosts.append({"id": "gone", "connect": {"transport": "bundle", "file": "gone.bundle"}})
    ended = checkup("run", clinic.site_file)
    assert ended.status == 4
