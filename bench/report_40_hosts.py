"""The report of 40 hosts: its PDF beside what WeasyPrint alone needs for the same HTML.

    python -m bench.report_40_hosts [--hosts 40] [--times 3]

The hosts are this machine under 40 names, examined by 40 batches run here and brought in as bundles.
"Alone" is a process that loads WeasyPrint and writes the same HTML in the same variant (PDF/A-3a), with
nothing attached and Python as it comes; both times count from the start of their process.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pikepdf

from bench.tables import table
from checkup.api import Visit
from checkup.assessment import to_json
from checkup.report.html import render_html
from checkup.report.view import build_view
from checkup.workflow.assessing import assess_visit, visit_runs
from checkup.workflow.collecting import plan_run, start_run
from checkup.workflow.prepare import prepare, store_at, utc_now
from checkup.workflow.reporting import report_input

OURS = """
import sys
from datetime import datetime
from pathlib import Path
from checkup.report.pdf import render_pdf
html, attachment, created = sys.argv[1:]
pdf = render_pdf(Path(html).read_text("utf-8"), created=datetime.fromisoformat(created),
                 attachment=Path(attachment).read_bytes())
sys.stdout.buffer.write(pdf)
"""
ALONE = """
import sys
from pathlib import Path
import weasyprint
from checkup.report.html import TEMPLATES
html = Path(sys.argv[1]).read_text("utf-8")
weasyprint.HTML(string=html.replace("asset:", ""), base_url=str(TEMPLATES) + "/").write_pdf(
    sys.stdout.buffer, pdf_variant="pdf/a-3a")
"""


@dataclass(frozen=True)
class Rendering:
    """`peak_mb` is that of the largest process that took part."""

    seconds: float
    peak_mb: float
    pages: int


def render(program: str, *arguments: str | Path) -> Rendering:
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", program, *arguments], stdout=output)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"the rendering failed with exit code {process.returncode}")
        with pikepdf.open(output) as pdf:
            return Rendering(seconds, used.ru_maxrss / 1024, len(pdf.pages))


def bundle_site(folder: Path, hosts: int) -> Path:
    """A site of this machine under `hosts` names, each with its recorded answer."""
    names = [f"srv-{number:03}" for number in range(1, hosts + 1)]
    site_file = folder / "site.yaml"
    site = {
        "version": 1,
        "site": {"id": "bench", "name": "Bench", "timezone": "UTC", "country": "US"},
        "contract": {"package": "premium", "installed": "400 days ago"},
        # so strict that every host has findings
        "levels": {
            "host.volume-space": {"tight": 0.0},
            "host.memory": {"scarce": 1.0},
            "host.root-users": {"most": 0},
        },
        "hosts": [
            {"id": name, "connect": {"transport": "bundle", "file": f"{name}.bundle"}} for name in names
        ],
    }
    site_file.write_text(json.dumps(site), encoding="ascii")
    now = utc_now()
    for endpoint in plan_run(prepare(site_file, now), None, Visit.SIX_MONTH, now).endpoints:
        answer = subprocess.run(["sh"], input=endpoint.script, stdout=subprocess.PIPE, check=True)
        (folder / f"{endpoint.endpoint}.bundle").write_bytes(answer.stdout)
    return site_file


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--hosts", type=int, default=40)
    options.add_argument("--times", type=int, default=3)
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="checkup-bench-") as place:
        folder = Path(place)
        html, attachment = folder / "report.html", folder / "checkup.json"
        now = utc_now()
        prepared = prepare(bundle_site(folder, given.hosts), now)
        with store_at(f"sqlite:///{folder / 'store.db'}") as store:
            plan = plan_run(prepared, store, Visit.SIX_MONTH, now)
            run = start_run(prepared, store, plan, clock=utc_now, emit=lambda event: None)
            steps = [time.perf_counter()]
            of = visit_runs(store, run.run_id)
            assessment = assess_visit(store, of, prepared.catalogue)
            steps.append(time.perf_counter())
            view = build_view(report_input(store, of, assessment))
            html.write_text(render_html(view), encoding="utf-8")
            steps.append(time.perf_counter())
        size = html.stat().st_size
        attachment.write_bytes(to_json(assessment))
        ours: list[Rendering] = []
        alone: list[Rendering] = []
        for _ in range(given.times):
            ours.append(render(OURS, html, attachment, assessment.clock.isoformat()))
            alone.append(render(ALONE, html))
    print(
        f"{given.hosts} hosts, {size // 1000} kB of HTML: analysed in {steps[1] - steps[0]:.2f} s, "
        f"HTML in {steps[2] - steps[1]:.2f} s"
    )
    floor = median(one.seconds for one in alone)
    rows = [[name, *_figures(seen, floor)] for name, seen in (("checkup", ours), ("WeasyPrint alone", alone))]
    print(table(["", "s", "x alone", "pages", "ms/page", "peak MB", "MB/page"], rows))


def _figures(seen: list[Rendering], floor: float) -> list[float | int]:
    seconds, peak_mb = median(one.seconds for one in seen), median(one.peak_mb for one in seen)
    pages = seen[0].pages
    return [seconds, seconds / floor, pages, seconds / pages * 1000, peak_mb, peak_mb / pages]


if __name__ == "__main__":
    main()
