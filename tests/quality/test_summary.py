"""The table of all verdicts: a line for each result, names as text."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

from scatterflow.quality.checks import Finding, document, judged, write_quality
from scatterflow.quality.summary import COLUMNS, summarise

HOSTILE = '<script>alert("x")</script>&'


def quality(run: str, level: str, sentence: str = "So it is.") -> dict:
    checks = judged(
        {"hot_pixels": {"limit": 1.0, "on_violation": "fail"}},
        {"hot_pixels": lambda _: Finding(2.5, level, sentence)},
    )
    return document(run, "x", "xpcs", checks, None)


class Page(HTMLParser):
    """Tags and text of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


def summarised(folder, *found: dict) -> tuple[Page, list[dict[str, str]]]:
    paths = []
    for number, item in enumerate(found):
        paths.append(folder / f"{number}.json")
        write_quality(paths[-1], item)
    summarise(paths, folder / "quality.html", folder / "quality.csv")
    page = Page()
    page.feed((folder / "quality.html").read_text(encoding="utf-8"))
    text = (folder / "quality.csv").read_text(encoding="utf-8")
    return page, list(csv.DictReader(io.StringIO(text)))


def test_every_result_has_its_line(tmp_path):
    page, table = summarised(
        tmp_path, quality("one", "fine"), quality("two", "bad"), quality("three", "doubtful")
    )
    assert page.tags.count("tr") == 4
    assert "3 results" in page.text
    assert page.text.count("So it is.") == 2  # what passed needs no words
    assert "Publication is stopped by: hot_pixels" in page.text
    assert [row["verdict"] for row in table] == ["pass", "fail", "warn"]
    assert [row["run"] for row in table] == ["one", "two", "three"]
    assert set(table[0]) == set(COLUMNS)
    assert float(table[0]["value"]) == 2.5


def test_hostile_names_are_text(tmp_path):
    page, table = summarised(tmp_path, quality(HOSTILE, "bad", HOSTILE))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) == 2
    assert table[0]["run"] == HOSTILE
    text = (tmp_path / "quality.html").read_text(encoding="utf-8")
    assert "src=" not in text
    assert "href=" not in text


def test_without_results_the_table_is_empty(tmp_path):
    page, table = summarised(tmp_path)
    assert page.tags.count("tr") == 1
    assert table == []
