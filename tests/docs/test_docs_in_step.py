"""What is generated or quoted in the documentation is in step with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkup import catalogue
from checkup.cli.app import app
from checkup.workflow.probe_pages import catalogue_page

ROOT = Path(__file__).parents[2]
DOCS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_probe_catalogue_is_the_generated_one():
    committed = (ROOT / "docs" / "probes.md").read_text(encoding="utf-8")
    assert committed == catalogue_page(catalogue.load()), "run: checkup probes docs > docs/probes.md"


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_command_of_the_readme_exists():
    commands = {command.name for command in app.registered_commands}
    commands |= {group.name for group in app.registered_groups}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)checkup ([a-z]+)", readme, re.MULTILINE))
    assert {"run", "plan", "deliver"} <= named <= commands
