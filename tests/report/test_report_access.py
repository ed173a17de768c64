"""The page of an Access file: right, complete, careful about compaction, and there only where a file is."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from itertools import pairwise

import access_samples
import pytest
import samples
from access_samples import FILES, LEDGER, file, report

from checkup.api import Impact, Target, When
from checkup.assessment import ItemResult, Outcome, Priority, ProbeText, Ranking, Waived
from checkup.report.charts import filling, share
from checkup.report.html import render_html
from checkup.report.input import ReportInput
from checkup.report.model import AccessPage, ReportView
from checkup.report.view import build_view

FINDING, PASSED = Outcome.FINDING, Outcome.PASSED


def page(given: ReportInput) -> AccessPage:
    (only,) = build_view(given).access
    return only


def plain() -> AccessPage:
    return page(access_samples.one_file())


def pages() -> dict[str, AccessPage]:
    return {one.title: one for one in build_view(access_samples.several_files()).access}


def words(text: str) -> str:
    return text.replace("\u00a0", " ")


# --- one sound file ---------------------------------------------------------------------------


def test_the_headline_says_how_it_stands_until_when_and_what_comes_first() -> None:
    said = words(plain().headline)
    assert said.startswith("The file is sound as far as it was looked into; 62 % of its 2 GB are filled")
    assert re.search(r"full about \d+ \w+ 2028: \d+ matters to settle, F-01 first\.$", said)


def test_size_filling_and_gain_are_told_in_figures_and_as_a_chart_that_agree() -> None:
    found = plain()
    size, filled, gain, users = (words(figure.number) for figure in found.figures)
    assert (size, filled, gain, users) == ("1.66 GB", "62 %", "469 MB", "5")
    assert found.filling is not None and found.growth is not None
    assert [words(part.text) for part in found.filling.parts] == [
        "in use 1.2 GB",
        "lost 31.6 MB",
        "empty 438 MB",
    ]
    assert words(found.filling_caption).startswith("1.23 GB are filled, 62 % of the 2 GB")


def test_the_first_visit_says_from_when_on_growth_is_known() -> None:
    found = page(report((LEDGER, access_samples.plain)))
    assert found.growth is None
    assert "will be known from later visits on (1 of 3 measurements so far)" in found.growth_text


def test_what_was_looked_at_and_what_not_is_said() -> None:
    said = dict(plain().soundness)
    assert said["Verdict"] == "Sound as far as it was looked into: no fault was found."
    assert "maps that say whose every page is" in said["Looked at"]
    assert said["Not looked at"].startswith("The pages of the records and of the indexes")
    assert said["Next compaction"] == "Would keep every table."


def test_the_largest_tables_come_first_with_rows_size_and_share() -> None:
    found = plain()
    first = found.tables[0]
    assert (first.name, first.rows, words(first.size), words(first.share)) == (
        "Documents",
        "48,212",
        "719 MB",
        "42 %",
    )
    assert words(found.tables[-1].share) == "< 0.1 %"
    assert len(found.tables) == 7 and not found.tables_near


def test_the_rest_names_users_customisations_links_and_format() -> None:
    said = dict(plain().facts)
    assert "REGISTRY-1" in said["Who was in it"] and "3 are declared" in said["Who was in it"]
    assert "forms: Quarter at a glance, Quick entry" in said["Made at the site"]
    assert "queries: Open abstracts by period, Missing follow-up" in said["Made at the site"]
    assert said["Links"] == "None: all its tables lie in it."
    assert said["Format"] == "ACE14 (.accdb), that of Access 2010."
    assert said["Encryption"].startswith("None")


def test_what_the_maker_shipped_is_not_counted_as_the_sites_own() -> None:
    shipped = ("query Open abstracts by period", "query Missing follow-up", "form Quick entry")
    target = replace(LEDGER, declare={"access_shipped": shipped})
    said = dict(page(report((target, access_samples.plain))).facts)
    assert said["Made at the site"] == "Added: form Quarter at a glance."


# --- what to do -------------------------------------------------------------------------------


def test_every_check_is_told_once() -> None:
    given = access_samples.one_file()
    found = page(given)
    html = render_html(build_view(given))
    section = html[html.index('id="access"') : html.index('id="method"')]
    for check in given.assessment.checks:
        title = given.assessment.probes[check.probe].title
        if check.outcome in (PASSED, Outcome.NOT_APPLICABLE):
            assert section.count(title) == 1, title
    findings = {r.probe for r in given.assessment.findings}
    messages = " ".join(action.found for action in found.actions)
    assert len(findings) > 5
    for probe in findings:
        first = given.assessment.probes[probe].messages
        assert any(_fits(template, messages) for template in first.values()), probe


def _fits(template: str, text: str) -> bool:
    return bool(re.search(re.sub(r"\\\{\w+\\\}", ".+", re.escape(template)), text))


def test_one_compaction_is_one_deed_whatever_it_settles() -> None:
    deeds = [action for action in plain().actions if "compact into a new file" in action.action]
    (deed,) = deeds
    assert deed.found.startswith("Compaction would give back at least")
    assert "pieces" in deed.found and len(deed.references) == 2
    assert "access." not in " ".join(action.action for action in plain().actions)


def test_the_most_urgent_deed_comes_first_and_an_accepted_one_last() -> None:
    given = report((LEDGER, access_samples.damaged))
    accepted = Waived(reason="known", approved_by="R. Alvarado", until=date(2099, 1, 1))
    results = tuple(
        replace(one, waived=accepted) if one.probe == "access.users" else one
        for one in given.assessment.results
    )
    actions = page(replace(given, assessment=replace(given.assessment, results=results))).actions
    order = [action.priority for action in actions[:-1]]
    assert order == sorted(order)
    assert actions[-1].state == "Accepted" and not actions[-1].references


def test_a_check_that_nobody_here_knows_has_its_line_too() -> None:
    given = access_samples.one_file()
    text = ProbeText(
        id="vendor.rule",
        title="The rule holds",
        why="",
        remedy="Call the maker. Then wait.",
        verify="",
        messages={"broken": "The rule is broken."},
        levels={},
    )
    # Of the whole site, and about this file.
    own = ItemResult(
        probe="vendor.rule",
        target="",
        item="",
        outcome=FINDING,
        message="broken",
        impact=Impact.MAJOR,
        when=When.NOW,
        targets=(LEDGER.id,),
        ranking=Ranking(priority=Priority.P2),
    )
    judged = replace(
        given.assessment,
        results=(*given.assessment.results, own),
        probes={**given.assessment.probes, text.id: text},
    )
    first = page(replace(given, assessment=judged)).actions[0]
    assert (first.action, first.found, first.priority) == ("Call the maker.", "The rule is broken.", "P2")


# --- several files, each in its own trouble ---------------------------------------------------


def test_several_files_are_overlooked_first_and_then_told_one_by_one() -> None:
    html = render_html(build_view(access_samples.several_files()))
    assert html.index('class="wide files"') < html.index('id="access-1"')
    for number in range(1, len(FILES) + 1):
        assert html.count(f'id="access-{number}"') == html.count(f'href="#access-{number}"') == 1
    assert 'class="wide files"' not in render_html(build_view(access_samples.one_file()))


def test_damage_is_the_headline_and_forbids_compaction() -> None:
    found = pages()["Registry"]
    assert found.headline.startswith("The file is damaged; ")
    assert (found.sound, found.sound_style) == ("damaged", "bad")
    assert found.warning.startswith("Do not compact this file before F-01 and F-02 are settled")
    assert [mark.matters for mark in found.marks][:2] == [1, 1]
    compacting = next(action for action in found.actions if "compact into a new file" in action.action)
    assert compacting.action.startswith("Only when F-01 and F-02 are settled: ")
    assert dict(found.soundness)["Verdict"] == "Damaged in 1 place: Answers: data pages (F-02).".replace(
        "1 place", "1\u00a0place"
    )


def test_a_sound_file_is_not_warned_about() -> None:
    assert not plain().warning


def test_nobody_in_the_file_is_a_zero_and_not_a_gap() -> None:
    found = pages()["Archive of 2019"]
    assert (found.figures[3].number, found.users) == ("0", "nobody")
    assert dict(found.facts)["Who was in it"] == "Nobody had the file open: there was no lock file."


def test_a_table_near_a_limit_says_which() -> None:
    found = pages()["Stock front end"]
    assert [table.name for table in found.tables if table.near == "30 of 32 indexes"] == ["Documents"]


def test_an_encrypted_file_is_neither_called_sound_nor_given_tables() -> None:
    found = pages()["Payroll"]
    assert found.examined and found.headline.startswith("Whether the file is sound is not known; ")
    assert dict(found.soundness)["Verdict"].startswith("Not known: ")
    assert not found.tables and found.figures[2].number == "–"
    assert dict(found.facts)["Encryption"].startswith("AES")


def test_a_file_that_could_not_be_had_has_its_reason_and_nothing_else() -> None:
    found = pages()["Old scheduling"]
    assert found.headline == "The file could not be examined: srv-files does not answer."
    assert not (found.examined or found.figures or found.soundness or found.facts or found.actions)
    assert found.sound == "not examined"


# --- where it stands in the report ------------------------------------------------------------


def test_without_an_access_file_there_is_no_page_and_no_heading() -> None:
    view = build_view(samples.demo())
    html = render_html(view)
    assert not view.access and "access" not in view.headings
    assert "Access databases" not in html and "#access" not in html


def test_an_access_file_stands_on_its_page_and_not_among_the_systems() -> None:
    server = Target(id="srv-files", title="File server", role="file-server")
    view: ReportView = build_view(report((LEDGER, access_samples.plain), others=(server,)))
    assert [system.title for system in (*view.systems, *view.quiet_systems)] == ["File server"]
    assert "Access databases" in view.headings["access"]


def test_a_title_that_says_the_kind_is_not_said_it_again() -> None:
    server = Target(id="srv-files", title="File server", role="file-server")
    view = build_view(report((LEDGER, access_samples.plain), others=(server,)))
    assert (view.access[0].title, view.access[0].kind) == ("Ledger back end", "")
    assert view.systems[0].kind == ""
    other = file("x", "Registry")
    assert page(report((other, access_samples.plain))).kind == "back end"


def test_no_name_of_a_check_stands_in_what_a_manager_reads() -> None:
    for found in build_view(access_samples.several_files()).access:
        said = [found.headline, found.warning, *(text for _, text in (*found.soundness, *found.not_checked))]
        said += [text for action in found.actions for text in (action.action, action.found)]
        assert not re.search(r"\baccess\.[a-z]", " ".join(said))


def test_names_from_the_file_stay_text() -> None:
    nasty = "<script>alert(1)</script>\u202e" + "x" * 200

    def rename(parts: access_samples.Parts) -> None:
        parts["tables"][0]["name"] = nasty
        parts["objects"] = [{"kind": "form", "name": nasty, "updated": None}]
        parts["lock"]["entries"][0]["machine"] = nasty

    html = render_html(build_view(report((file("x", nasty), rename))))
    assert "<script" not in html and "\u202e" not in html
    assert "&lt;script" in html


def test_no_heading_level_is_skipped() -> None:
    html = render_html(build_view(access_samples.several_files()))
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert 3 in levels and all(after <= before + 1 for before, after in pairwise(levels))


# --- the charts -------------------------------------------------------------------------------


def test_labels_of_small_pieces_do_not_lie_on_each_other() -> None:
    drawn = filling(
        [("fine", 1.0, "in use 1 MB"), ("lost", 1.0, "lost 1 MB"), ("empty", 1.0, "empty 1 MB")],
        limit=1000.0,
        limit_label="limit 1 GB",
        title="",
    )
    assert drawn is not None
    ends = [part.label_x + 9 + 4 * len(part.text) for part in drawn.parts]
    assert all(part.label_x > end for part, end in zip(drawn.parts[1:], ends, strict=False))
    assert all(part.width > 0 for part in drawn.parts)


@pytest.mark.parametrize("limit", [0.0, float("nan")])
def test_a_filling_without_a_limit_is_not_drawn(limit: float) -> None:
    assert filling([("fine", 5.0, "x")], limit=limit, limit_label="", title="") is None


def test_a_file_beyond_its_limit_keeps_the_limit_within_the_chart() -> None:
    drawn = filling([("fine", 300.0, "x")], limit=200.0, limit_label="limit", title="")
    assert drawn is not None
    assert 0 < drawn.limit < drawn.parts[0].width <= drawn.whole


@pytest.mark.parametrize(("value", "width"), [(0.0, 0.0), (1e-9, 0.6), (0.5, 22.0), (3.0, 44.0)])
def test_a_share_is_never_beyond_its_bar_and_a_trace_is_seen(value: float, width: float) -> None:
    assert share(value, "").value == width
