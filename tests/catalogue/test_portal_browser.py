"""The portal in a real browser: searching, filtering, reading, the viewer, keyboard, phone, darkness."""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scatterflow.catalogue.site import generate_site
from scatterflow.catalogue.site_server import make_server
from tests.catalogue.browsing import LEAST_CONTRAST, SITE, Looking, looking, plain_server, serving
from tests.catalogue.example_records import write_result, write_results
from tests.catalogue.portal_results import HOSTILE, hostile_record, write_xpcs_result

NUMBER, XPCS_RUN = 60, 1


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("portal") / "results"


@pytest.fixture(scope="module")
def records(results) -> list[dict[str, Any]]:
    made = write_results(results, NUMBER)
    made[XPCS_RUN] = write_xpcs_result(results, XPCS_RUN)
    return made


@pytest.fixture(scope="module")
def portal(records, results) -> Iterator[str]:
    """Address of the site, without a viewer."""
    generate_site(records, results, results / SITE)
    with serving(make_server(results, results / SITE, 0)) as address:
        yield address


@pytest.fixture(scope="module")
def plain(records, results, built_viewer) -> Iterator[str]:
    """Address of a site with viewer, at a server of plain files."""
    generate_site([records[XPCS_RUN]], results, results / "catalogue/plain", viewer=built_viewer)
    with serving(plain_server(results)) as address:
        yield address.replace(SITE, "catalogue/plain")


@pytest.fixture
def look(chromium) -> Iterator[Looking]:
    with looking(chromium) as opened:
        yield opened


def shown_runs(look: Looking) -> list[str]:
    return [name.split(" / ")[0] for name in look.page.locator("#rows .name").all_inner_texts()]


def open_list(look: Looking, address: str, query: str = "size=100") -> None:
    look.page.goto(f"{address}index.html#?{query}")
    look.page.wait_for_selector("html[data-ready]")


def runs(records: list[dict[str, Any]], fits: Callable[[dict[str, Any]], bool]) -> set[str]:
    return {record["run"] for record in records if fits(record)}


def facet_counts(look: Looking, name: str) -> dict[str, int]:
    more = look.page.locator(f'[id="more:{name}"]')
    if more.count() and "all" in more.inner_text():
        more.click()
    lines = look.page.locator(f'[data-facet="{name}"] li label').all()
    texts = [
        (line.locator(".value").inner_text(), line.locator(".number").inner_text())
        for line in lines
    ]
    return {value: int(number) for value, number in texts}


@pytest.mark.parametrize(
    ("words", "fits"),
    [
        ("lysozyme", lambda record: record["sample"] == "lysozyme"),
        ("LYSO curie", lambda r: r["sample"] == "lysozyme" and "Marie Curie" in creators(r)),
        ("grosse", lambda record: record["sample"] == "block copolymer Größe 5"),
        ('"silica in water"', lambda record: record["sample"] == "silica in water"),
        ('"water in silica"', lambda record: False),
        (
            "gold -xpcs",
            lambda r: r["sample"] == "gold nanorods" and r["technique"]["name"] != "xpcs",
        ),
        ("run_0042", lambda record: record["run"] == "run_0042"),
        ("photons_per_bin", lambda record: record["quality"]["failed"] == ["photons_per_bin"]),
        (".*", lambda record: False),
    ],
)
def test_search(look, portal, records, words, fits):
    open_list(look, portal)
    look.page.fill("#words", words)
    found = shown_runs(look)
    assert set(found) == runs(records, fits)
    assert look.page.inner_text("#count") == f"{len(found)} of {NUMBER} results"
    assert look.page.locator("#empty").is_visible() == (not found)


def creators(record: dict[str, Any]) -> list[str]:
    return [creator["name"] for creator in record["datacite"]["creators"]]


def test_facets_count_and_choose(look, portal, records):
    open_list(look, portal)
    names = {"xpcs": "XPCS", "saxswaxs": "SAXS/WAXS", "shots": "XFEL shots"}
    assert facet_counts(look, "technique") == Counter(
        names[record["technique"]["name"]] for record in records
    )
    assert facet_counts(look, "creator") == Counter(
        name for record in records for name in creators(record)
    )
    assert facet_counts(look, "sample") == Counter(
        record["sample"] or "not known" for record in records
    )
    look.page.get_by_role("checkbox", name="XPCS").check()
    look.page.get_by_role("checkbox", name="Marie Curie").check()
    look.page.get_by_role("checkbox", name="Scherrer").check()

    def is_theirs(record: dict[str, Any]) -> bool:
        return bool({"Marie Curie", "Paul Scherrer"} & set(creators(record)))

    def is_wanted(record: dict[str, Any]) -> bool:
        return record["technique"]["name"] == "xpcs" and is_theirs(record)

    expected = runs(records, is_wanted)
    assert expected
    assert set(shown_runs(look)) == expected
    # A facet counts what the others let through: more techniques of these people could be chosen.
    techniques = Counter(
        names[record["technique"]["name"]] for record in records if is_theirs(record)
    )
    assert len(techniques) == 3
    assert facet_counts(look, "technique") == techniques
    assert facet_counts(look, "quality") == Counter(
        {"pass": "passed", "warn": "warning", "fail": "failed"}[record["quality"]["verdict"]]
        for record in records
        if is_wanted(record)
    )
    assert "technique=xpcs" in look.page.url
    look.page.reload()
    look.page.wait_for_selector("html[data-ready]")
    assert set(shown_runs(look)) == expected  # the address holds it all
    look.page.locator("#rows .name").first.click()
    look.page.get_by_role("link", name="All results").click()
    look.page.wait_for_selector("html[data-ready]")
    assert set(shown_runs(look)) == expected  # and the way back leads there
    look.page.get_by_role("button", name="Remove filter Technique: XPCS").click()
    assert set(shown_runs(look)) == runs(records, is_theirs)
    look.page.get_by_role("button", name="Clear all", exact=True).click()
    assert look.page.inner_text("#count") == f"{NUMBER} results"
    assert look.page.url.endswith("#")


def test_unknown_values_can_be_chosen(look, portal, records):
    open_list(look, portal)
    look.page.locator('[data-facet="cycle"]').get_by_label("not known").check()
    assert set(shown_runs(look)) == runs(records, lambda r: r["experiment"]["cycle"] is None)


def test_dates_and_their_histogram(look, portal, records):
    open_list(look, portal)
    bars = look.page.locator(".bars button").all()
    months = Counter(record["times"]["run_start"][:7] for record in records)
    shown = dict(bar.get_attribute("aria-label").split(": ") for bar in bars)
    assert {name: int(text.split()[0]) for name, text in shown.items()} == months
    look.page.get_by_role("button", name=re.compile("^2025-04: ")).click()
    assert set(shown_runs(look)) == runs(
        records, lambda r: r["times"]["run_start"][:7] == "2025-04"
    )
    assert "from=2025-04-01&to=2025-04-30" in look.page.url
    look.page.fill('[id="date:to"]', "2025-04-10")

    def in_time(record: dict[str, Any]) -> bool:
        return "2025-04-01" <= record["times"]["run_start"][:10] <= "2025-04-10"

    assert set(shown_runs(look)) == runs(records, in_time)


def test_sorting_and_pages(look, portal, records):
    open_list(look, portal, "size=25")
    newest = sorted(records, key=lambda record: record["times"]["run_start"], reverse=True)
    assert shown_runs(look) == [record["run"] for record in newest[:25]]
    look.page.get_by_role("button", name="Next").click()
    look.page.get_by_role("button", name="Next").click()
    assert shown_runs(look) == [record["run"] for record in newest[50:]]
    assert look.page.get_by_role("button", name="Next").is_disabled()
    look.page.get_by_role("button", name="Frames").click()
    assert "Page 1 of 3" in look.page.inner_text("#pages")
    fewest = sorted(records, key=lambda record: record["frames"])
    assert shown_runs(look) == [record["run"] for record in fewest[:25]]
    head = look.page.locator("th[aria-sort]")
    assert (head.count(), head.get_attribute("aria-sort")) == (1, "ascending")
    look.page.get_by_role("button", name="Quality").click()
    look.page.get_by_role("button", name="Quality").click()
    failed = sum(record["quality"]["verdict"] == "fail" for record in records)
    verdicts = look.page.locator("#rows .verdict").all_inner_texts()
    assert verdicts[:failed] == ["failed"] * failed
    assert "failed" not in verdicts[failed:]


@pytest.mark.parametrize(
    "query",
    [
        "page=99999&size=7&sort=<b>&from=x&to=2025-13-99&technique=none",
        "page=-1&sort=--date&sort=__proto__&__proto__=1&q=%22",
        "q=%E0%A4%A&constructor=1&page=NaN",
    ],
)
def test_any_address_is_borne(look, portal, query):
    open_list(look, portal, query)
    assert re.fullmatch(r"(\d+ of )?60 results", look.page.inner_text("#count"))


def test_page_of_a_result(look, portal, records):
    from playwright.sync_api import expect

    record = records[XPCS_RUN]
    look.page.goto(f"{portal}runs/{record['id']}.html")
    look.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    pictures = look.page.locator(".gallery img")
    assert pictures.count() == 3
    for picture in pictures.all():
        picture.scroll_into_view_if_needed()
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    copy = look.page.locator("button.copy")
    for number, text in enumerate(("configuration", "command")):
        copy.nth(number).click()
        expect(copy.nth(number)).to_have_text("Copied")
        copied = look.page.evaluate("navigator.clipboard.readText()")
        assert copied == record["reprocess"][text]
    look.page.get_by_text("From the raw files").click()
    look.page.fill("#sift", "crystal")
    assert look.page.locator("#raw tbody tr:visible").all_inner_texts() == [
        "instrument.monochromator.crystal\tSi 111\t"
    ]
    with look.page.expect_download() as download:
        look.page.get_by_role("link", name="result.nxs", exact=True).click()
    content = Path(download.value.path()).read_bytes()
    assert len(content) == record["files"][0]["bytes"]


def test_hostile_text_is_shown_as_text(look, tmp_path):
    results = tmp_path / "results"
    record = write_result(results, hostile_record())
    generate_site([record], results, results / SITE)
    with serving(make_server(results, results / SITE, 0)) as address:
        open_list(look, address, "q=onerror")
        row = look.page.locator("#rows tr")
        assert row.locator(".title .text").first.text_content() == HOSTILE
        for facet in ("sample", "creator", "cycle", "qmap", "mask"):
            box = look.page.locator(f'[data-facet="{facet}"] label')
            assert box.locator(".value").text_content() == HOSTILE
            box.click()
        look.page.reload()
        look.page.wait_for_selector("html[data-ready]")
        assert row.count() == 1
        assert look.page.get_by_role("button", name="Remove filter").count() == 5
        row.locator(".name").click()
        look.page.wait_for_selector(".headline")
        assert look.page.text_content("h1") == HOSTILE
        assert look.page.text_content("#command") == HOSTILE
        assert look.page.locator("img[src='x'], a[href^='javascript']").count() == 0
        assert look.page.locator("script").count() == 1


def test_the_policy_stops_scripts_that_got_into_a_page(chromium, portal, results):
    page = results / SITE / "runs/run_0003/swaxs.html"
    text = page.read_text(encoding="utf-8")
    bad = '<script>document.title = "bad"</script><img src="x:" onerror="document.title=\'bad\'">'
    page.write_text(text.replace("</main>", f"{bad}</main>"), encoding="utf-8")
    try:
        with chromium.new_context() as context:
            opened = context.new_page()
            refused: list[str] = []
            opened.on("console", lambda said: refused.append(said.text))
            opened.goto(f"{portal}runs/run_0003/swaxs.html")
            assert opened.title() == "run_0003 / swaxs – scatterflow"
            assert sum("Content Security Policy" in text for text in refused) >= 2
    finally:
        page.write_text(text, encoding="utf-8")


def test_keyboard_alone(look, portal, records):
    open_list(look, portal)
    focus = "document.activeElement.id || document.activeElement.className"
    look.page.keyboard.press("Tab")
    assert look.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    look.page.keyboard.press("Enter")
    assert look.page.evaluate(focus) == "main"
    assert len(shown_runs(look)) == NUMBER  # what was looked for is still in place
    look.page.keyboard.press("/")
    assert look.page.evaluate(focus) == "words"
    look.page.keyboard.type("lysozyme/")
    look.page.keyboard.press("Backspace")
    look.page.keyboard.press("Tab")
    assert look.page.evaluate(focus).startswith("technique:")
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert look.page.evaluate(outline) == "solid"
    look.page.keyboard.press("Space")
    first = look.page.evaluate(focus)
    assert look.page.evaluate("document.activeElement.checked")  # the focus stays where it was
    technique = first.partition("=")[2]
    expected = runs(
        records, lambda r: r["sample"] == "lysozyme" and r["technique"]["name"] == technique
    )
    assert expected
    assert set(shown_runs(look)) == expected
    for _ in range(80):
        look.page.keyboard.press("Tab")
        if look.page.evaluate(focus) == "name":
            break
    assert look.page.evaluate(outline) == "solid"
    look.page.keyboard.press("Enter")
    look.page.wait_for_selector(".headline")
    assert look.page.locator("h1").inner_text().startswith(("Dynamics", "Structure"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_has_contrast_in_light_and_dark(chromium, portal, scheme):
    with looking(chromium, color_scheme=scheme) as look:
        for path in ("index.html#?sample=lysozyme", "runs/run_0001/dynamics.html"):
            look.page.goto(f"{portal}{path}")
            contrast, where = look.page.evaluate(LEAST_CONTRAST)
            assert contrast >= 4.5, (path, where)
            page = look.page.evaluate("getComputedStyle(document.body).backgroundColor")
            red = int(re.findall(r"\d+", page)[0])
            assert (red < 60) if scheme == "dark" else (red > 230)


def test_a_phone_is_wide_enough(chromium, portal, records):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with looking(chromium, **phone) as look:
        open_list(look, portal)
        width = "[document.documentElement.scrollWidth, innerWidth]"
        assert look.page.evaluate(width) == [390, 390]
        assert not look.page.locator("#groups").is_visible()
        look.page.get_by_role("button", name="Filters").tap()
        look.page.get_by_role("checkbox", name="XPCS").tap()
        look.page.get_by_role("button", name="Filters (1)").tap()
        assert not look.page.locator("#groups").is_visible()
        xpcs = runs(records, lambda record: record["technique"]["name"] == "xpcs")
        assert set(shown_runs(look)) == xpcs
        look.page.select_option("#order", "date")
        assert shown_runs(look) == sorted(xpcs)
        look.page.goto(f"{portal}runs/{records[XPCS_RUN]['id']}.html")
        assert look.page.evaluate(width) == [390, 390]
        smallest = look.page.evaluate(
            "Math.min(...[...document.querySelectorAll('p, dd, td, a')].map("
            "each => parseFloat(getComputedStyle(each).fontSize)))"
        )
        assert smallest >= 12


def test_it_can_be_read_from_the_disk_without_a_server(look, results, built_viewer, records):
    from playwright.sync_api import expect

    records = [records[XPCS_RUN], records[2]]
    generate_site(records, results, results / "catalogue/from_disk", viewer=built_viewer)
    look.page.goto((results / "catalogue/from_disk/index.html").as_uri())
    look.page.wait_for_selector("html[data-ready]")
    look.page.fill("#words", "lysozyme")
    assert shown_runs(look) == ["run_0001"]
    assert "q=lysozyme" in look.page.url
    assert look.page.locator("#rows img").evaluate("picture => picture.naturalWidth") > 200
    look.page.locator("#rows .name").click()
    assert "make portal" in look.page.inner_text("#viewer-note")
    assert look.page.locator("#openers").count() == 0
    expect(look.page.locator(".gallery img").first).not_to_have_js_property("naturalWidth", 0)


def test_g2_is_drawn_with_error_bars_on_a_logarithmic_axis(look, plain):
    look.page.goto(f"{plain}runs/run_0001/dynamics.html")
    look.page.get_by_role("button", name="Open result.nxs").click()
    frame = look.page.frame_locator("iframe")
    frame.get_by_role("tab", name="NX Line", selected=True).wait_for()
    frame.locator("canvas").wait_for()
    labels = drawn_labels(frame)
    ticks = {float(label.text_content()): middle(label) for label in labels.all()}
    decades = sorted(value for value in ticks if value in (0.1, 1.0, 10.0))
    assert len(decades) == 3, ticks
    steps = np.diff([ticks[value] for value in decades])
    assert steps[0] == pytest.approx(steps[1], rel=0.05)
    with_bars = ink(frame)
    menu = frame.get_by_role("button", name="More controls")
    if not frame.get_by_role("button", name="Errors").is_visible():
        menu.click()
    errors = frame.get_by_role("button", name="Errors")
    assert errors.get_attribute("aria-pressed") == "true"
    errors.click()
    menu.click()
    without_bars = ink(frame)
    assert without_bars > 200
    # 25 bars with two caps of some 9 pixels each.
    assert with_bars > without_bars + 25 * 2 * 5


def drawn_labels(place: Any) -> Any:
    """Labels of the horizontal axis, once the plot is there."""
    labels = place.locator('[data-type="abscissa"] text').filter(has_text=re.compile(r"\d"))
    labels.first.wait_for()
    return labels


def middle(label: Any) -> float:
    box = label.bounding_box()
    return float(box["x"] + box["width"] / 2)


def ink(frame: Any) -> int:
    """Number of dark blue pixels of the canvas: of the curve and its bars."""
    from PIL import Image

    frame.locator("canvas").evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    )
    picture = Image.open(io.BytesIO(frame.locator("canvas").screenshot())).convert("RGB")
    red, green, blue = np.moveaxis(np.asarray(picture).astype(int), -1, 0)
    return int(np.count_nonzero((blue > red + 60) & (blue > green + 60)))


def test_any_field_can_be_looked_at(look, plain):
    look.page.goto(f"{plain}viewer/index.html?file=../../../run_0001/dynamics/result.nxs")
    tree = look.page.get_by_role("tree")
    # Plots that go before they are drawn make three.js complain.
    drawn_labels(look.page)
    tree.get_by_role("treeitem", name="entry").click()
    drawn_labels(look.page)
    tree.get_by_role("treeitem", name="instrument").first.wait_for()
    look.page.get_by_role("tab", name="Inspect").click()
    look.page.get_by_text("NXentry").first.wait_for()


@pytest.mark.parametrize(
    "file",
    [
        "https://elsewhere.example/x.nxs",
        "//elsewhere.example/x.nxs",
        "javascript:alert(1)//x.nxs",
        "data:application/x-hdf5,x.nxs",
        "../../../run_0001/dynamics/record.json",
    ],
)
def test_it_opens_nothing_from_elsewhere(look, plain, file):
    look.page.goto(f"{plain}viewer/index.html?{_query(file)}")
    assert "of this site only" in look.page.get_by_role("alert").inner_text()


def test_what_is_no_hdf5_file_gives_a_message(chromium, plain, results):
    (results / "run_0001/dynamics/broken.nxs").write_bytes(b"<script>alert(1)</script>" * 99)
    with chromium.new_context() as context:
        page = context.new_page()
        page.goto(f"{plain}viewer/index.html?file=../../../run_0001/dynamics/broken.nxs")
        page.get_by_text(re.compile("not|error|fail", re.I)).first.wait_for()
        page.goto(f"{plain}viewer/index.html?file=../none.nxs")
        assert "404" in page.get_by_role("alert").inner_text()


def _query(file: str) -> str:
    from urllib.parse import urlencode

    return urlencode({"file": file})
