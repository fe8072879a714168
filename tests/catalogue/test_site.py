"""The generated site: what it holds, that its links lead to files, that hostile text stays text."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from scatterflow.__main__ import main
from scatterflow.catalogue.site import generate_site
from scatterflow.catalogue.site_rows import FIELDS
from scatterflow.errors import UserError
from tests.catalogue.example_records import example_record, write_result, write_results
from tests.catalogue.portal_results import HOSTILE, hostile_record

SITE = "catalogue/site"


class Page(HTMLParser):
    """Tags with their attributes, and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def addresses(self) -> list[str]:
        return [
            value
            for _, attributes in self.tags
            for name in ("href", "src", "data-file")
            if (value := attributes.get(name))
        ]


def page(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def listed(site: Path) -> list[dict[str, Any]]:
    """The rows of data/records.js, by name of the field."""
    text = (site / "data/records.js").read_text(encoding="utf-8")
    inner = re.fullmatch(r"var portal = \{ data: JSON\.parse\((.*)\) \};\n", text)
    assert inner, text[:200]
    data = json.loads(json.loads(inner[1]))
    assert data["fields"] == list(FIELDS)
    return [dict(zip(FIELDS, row, strict=True)) for row in data["rows"]]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    write_results(tmp_path / "results", 6)
    return tmp_path / "results"


def test_every_address_of_every_page_leads_to_a_file_of_the_results(results):
    records = [json.loads(path.read_text()) for path in sorted(results.glob("*/*/record.json"))]
    made = generate_site(records, results, results / SITE)
    assert (made.results, made.left_out, made.viewer) == (6, 0, False)
    assert made.files == sum(len(record["files"]) for record in records)
    pages = sorted((results / SITE).rglob("*.html"))
    assert len(pages) == 7
    linked = set()
    for each in pages:
        for address in page(each).addresses():
            if address.startswith(("#", "http://purl.org/")):
                continue
            assert ":" not in address, address
            target = (each.parent / unquote(address)).resolve()
            assert target.is_file(), (each, address)
            assert target.is_relative_to(results.resolve())
            linked.add(target)
    for record in records:
        folder = results / record["run"] / record["reduction"]
        for file in record["files"]:
            assert (folder / file["path"]).resolve() in linked, file
    rows = listed(results / SITE)
    assert [row["run"] for row in rows] == [record["run"] for record in records]
    for row in rows:
        assert (results / SITE / row["thumbnail"]).resolve().is_file()


def test_page_shows_the_record(results):
    record = json.loads((results / "run_0004/dynamics/record.json").read_text())
    generate_site([record], results, results / SITE)
    text = re.sub(r"\s+", " ", page(results / SITE / "runs/run_0004/dynamics.html").text)
    assert "Dynamics of block copolymer Größe 5: run_0004" in text
    for shown in ("12 keV", "0.0012 to 0.0152 Å⁻¹", "0.005 s", "2025-03-06 04:00:00 UTC"):
        assert shown in text, shown
    assert "The photons per bin is 0.5; the limit is 0.1." in text  # quality.json
    assert record["reprocess"]["command"] in text
    assert "set: {chunks.frames: 20}" in text
    assert "instrument.current–mA" in text  # null stays unknown
    assert "metadata instrument.current was not finite" in text
    for file in record["files"]:
        assert file["path"] in text
        assert file["sha256"] in text
    for mask in record["masks"]:
        assert mask["sha256"] in text
    (row,) = listed(results / SITE)
    assert row["creators"] == ["Paul Scherrer", "Max von Laue"]
    assert (row["technique"], row["verdict"], row["masks"]) == ("xpcs", "fail", ["beamstop"])
    assert row["date"] == "2025-03-06T04:00:00Z"
    assert row["qmap"] == "rings of q, phi"
    assert "Ada" in row["words"]


def test_no_page_allows_what_is_not_its_own(results):
    generate_site([example_record(1)], results, results / SITE)
    for path in (results / SITE).rglob("*.html"):
        found = page(path)
        (policy,) = (
            attributes["content"]
            for tag, attributes in found.tags
            if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy is not None
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
        assert "unsafe" not in policy
        for tag, attributes in found.tags:
            assert tag != "style"
            assert not any(name.startswith("on") or name == "style" for name in attributes)
            if tag == "script":
                assert attributes["src"]


def test_hostile_text_stays_text(results):
    record = write_result(results, hostile_record(7))
    generate_site([record], results, results / SITE)
    path = results / SITE / "runs/run_0007/dynamics.html"
    found = page(path)
    assert {tag for tag, _ in found.tags} <= ALLOWED_TAGS
    assert HOSTILE in found.text
    source = path.read_text(encoding="utf-8")
    assert "<script>alert" not in source
    assert "<img src=x" not in source
    assert not [address for address in found.addresses() if "javascript:" in address]
    data = (results / SITE / "data/records.js").read_text(encoding="utf-8")
    assert data.count("\n") == 1
    assert data.isascii()
    (row,) = listed(results / SITE)
    assert row["sample"] == HOSTILE


ALLOWED_TAGS = {
    *(
        "html",
        "head",
        "meta",
        "title",
        "link",
        "script",
        "body",
        "header",
        "main",
        "nav",
        "section",
    ),
    *(
        "a",
        "img",
        "div",
        "span",
        "p",
        "h1",
        "h2",
        "h3",
        "ul",
        "li",
        "dl",
        "dt",
        "dd",
        "code",
        "pre",
    ),
    *("table", "thead", "tbody", "tr", "th", "td", "small", "button", "figure", "figcaption"),
    *("details", "summary", "label", "input"),
}


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a\nb", "x" * 65, "", "a b", "<b>"])
def test_names_that_are_no_names_of_files_are_refused(tmp_path, name):
    (tmp_path / "results").mkdir()
    with pytest.raises(UserError, match="cannot be a name"):
        generate_site(
            [example_record(0, run=name)], tmp_path / "results", tmp_path / "results" / SITE
        )
    assert not (tmp_path / "results" / SITE).exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results"]


def test_links_and_missing_and_changed_files_are_not_linked(results):
    folder = results / "run_0001/dynamics"
    record = json.loads((folder / "record.json").read_text())
    outside = results.parent / "secret.png"
    outside.write_bytes((folder / "plots/g2.png").read_bytes())
    (folder / "plots/g2.png").unlink()
    (folder / "plots/g2.png").symlink_to(outside)
    (folder / "analysis.nxs").unlink()
    with open(folder / "result.nxs", "ab") as file:
        file.write(b"more")
    record["files"].append({**record["files"][0], "path": "../swaxs/../../../secret.png"})
    made = generate_site([record], results, results / SITE)
    assert made.left_out == 4
    found = page(results / SITE / "runs/run_0001/dynamics.html")
    addresses = " ".join(found.addresses())
    for path in ("plots/g2.png", "analysis.nxs", "dynamics/result.nxs", "secret"):
        assert path not in addresses, path
    assert "plots/scattering.png" in addresses
    text = re.sub(r"\s+", " ", found.text)
    assert text.count("not there, or not a regular file") == 3
    assert "result.nxs changed since it was described" in text


def test_a_linked_folder_of_a_run_is_not_followed(results, tmp_path):
    (results / "run_0001").rename(tmp_path / "elsewhere")
    (results / "run_0001").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    made = generate_site([example_record(1)], results, results / SITE)
    assert made.files == 0


def test_a_copy_takes_the_files_along_and_no_links(results, tmp_path):
    folder = results / "run_0002/pump_probe"
    record = json.loads((folder / "record.json").read_text())
    (folder / "plots/mean.svg").unlink()
    (folder / "plots/mean.svg").symlink_to("/etc/hostname")
    made = generate_site([record], results, tmp_path / "copy", copy=True)
    copied = tmp_path / "copy/files/run_0002/pump_probe"
    assert made.files == len(record["files"]) - 1
    for file in record["files"]:
        if file["path"] != "plots/mean.svg":
            assert (copied / file["path"]).read_bytes() == (folder / file["path"]).read_bytes()
    assert not [path for path in (tmp_path / "copy").rglob("*") if path.is_symlink()]
    assert not (copied / "plots/mean.svg").exists()
    each = tmp_path / "copy/runs/run_0002/pump_probe.html"
    for address in page(each).addresses():
        if not address.startswith("#"):
            assert (each.parent / unquote(address)).resolve().is_relative_to(tmp_path / "copy")
            assert (each.parent / unquote(address)).is_file(), address


def test_a_copy_of_a_file_that_is_another_now_is_refused(results, tmp_path):
    path = results / "run_0000/swaxs/result.nxs"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1  # the size stays
    path.write_bytes(content)
    record = json.loads((path.parent / "record.json").read_text())
    with pytest.raises(UserError, match="sha256 differs"):
        generate_site([record], results, tmp_path / "copy", copy=True)
    assert not (tmp_path / "copy").exists()


def test_the_site_must_be_where_its_links_lead(results, tmp_path):
    with pytest.raises(UserError, match="must be inside"):
        generate_site([], results, tmp_path / "site")


def test_the_old_site_goes_with_results_that_are_gone(results):
    for number in (3, 4):
        generate_site([example_record(number)], results, results / SITE)
    assert [path.name for path in (results / SITE / "runs").iterdir()] == ["run_0004"]


@pytest.mark.parametrize("content", [b"", b"[]", b'{"schema": "x"}', b"\xff", b"[" * 100000])
def test_without_readable_quality_the_page_says_so(results, content):
    (results / "run_0001/dynamics/quality.json").write_bytes(content)
    generate_site([example_record(1)], results, results / SITE)
    text = page(results / SITE / "runs/run_0001/dynamics.html").text
    assert "The single checks are not at hand" in text


def test_command_makes_the_site_from_the_index(results, capsys, monkeypatch):
    monkeypatch.chdir(results.parent)
    Path("results/run_0005/pump_probe/record.json").unlink()
    assert main(["portal", "--viewer", "no"]) == 0
    assert capsys.readouterr().out.startswith("results/catalogue/site/index.html: 5 results")
    assert len(listed(results / SITE)) == 5
    assert "The viewer was not built" in page(results / SITE / "runs/run_0001/dynamics.html").text
    assert main(["portal", "--viewer", "no", "--copy", "there"]) == 0
    assert Path("there/files/run_0001/dynamics/result.nxs").is_file()


def test_command_refuses_what_cannot_be(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["portal", "--viewer", "no"]) == 1
    assert "there are no results" in capsys.readouterr().err
    assert main(["portal", "--serve", "--copy", "there"]) == 1
    assert "a copy is not served" in capsys.readouterr().err


def test_script_of_the_rule_makes_the_site_from_the_index(results, tmp_path, monkeypatch):
    from runpy import run_path

    from scatterflow.catalogue.index import build_index

    monkeypatch.chdir(tmp_path)
    build_index(results, results / "catalogue/index.sqlite")
    script = run_path(str(Path(__file__).resolve().parents[2] / "scripts/build_portal.py"))
    script["main"](
        str(results / "catalogue/index.sqlite"), "results", f"results/{SITE}", "resources/none"
    )
    assert {row["run"] for row in listed(results / SITE)} == {f"run_000{n}" for n in range(6)}
