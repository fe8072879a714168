"""The portal with 5000 results in headless Chromium: time until the list is shown, and to search it.

From the start of the navigation until rows, facets and histogram are on the page; from a key in the search
field until the next frame that shows the answer.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "scripts"))

from benchmarks.data import FULL, Size  # noqa: E402
from benchmarks.results import Row, command_line, machine  # noqa: E402

RESULTS = 5000
ROUNDS = 5
WORDS = ("lysozyme", "xpcs curie", "grosse -failed", "run_04", "nothing at all like it")
# Two frames: the first is drawn with the change, the second comes after it.
SEARCH = """words => new Promise(done => {
  const began = performance.now(), field = document.getElementById("words");
  field.value = words;
  field.dispatchEvent(new Event("input"));
  requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - began)));
})"""


def portal(size: Size = FULL) -> list[Row]:
    """5000 results: generate, load, search."""
    from tests.catalogue.example_records import example_record

    from scatterflow.catalogue.site import generate_site
    from scatterflow.catalogue.site_server import make_server

    number = RESULTS if size is FULL else 50
    records = [{**example_record(each), "files": []} for each in range(number)]
    with tempfile.TemporaryDirectory() as temporary:
        results = Path(temporary)
        site = results / "catalogue/site"
        began = time.perf_counter()
        generate_site(records, results, site)
        generated = time.perf_counter() - began
        with make_server(results, site, 0) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"http://127.0.0.1:{server.server_port}/"
            loads, busy, searches = _looked_at(address, number)
            server.shutdown()
    return [
        _row(f"Portal of {number} results in Chromium: list shown", 1.0, loads, busy),
        _row(f"Portal of {number} results in Chromium: a search answered", 1.0, searches),
        _row(f"Portal of {number} results: pages generated", None, [generated]),
    ]


def _looked_at(address: str, number: int) -> tuple[list[float], list[float], list[float]]:
    """Seconds of each load, CPU seconds of the page for it, seconds of the slowest search after each."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        raise RuntimeError("Chromium is not installed")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    loads, busy, searches = [], [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        for _ in range(ROUNDS):
            page = browser.new_page()
            meter = page.context.new_cdp_session(page)
            meter.send("Performance.enable", {"timeDomain": "threadTicks"})
            page.goto(address)
            page.wait_for_selector("html[data-ready]")
            assert page.inner_text("#count").startswith(f"{number:,}")
            metrics = meter.send("Performance.getMetrics")["metrics"]
            busy += [each["value"] for each in metrics if each["name"] == "TaskDuration"]
            loads.append(float(page.get_attribute("html", "data-ready") or "nan") / 1000)
            searches.append(max(page.evaluate(SEARCH, words) for words in WORDS) / 1000)
            page.close()
        browser.close()
    return loads, busy, searches


def _row(
    benchmark: str, limit: float | None, seconds: list[float], cpu: list[float] | None = None
) -> Row:
    middle = median(seconds)
    ratios: list[Any] = [float(f"{value / (limit or middle):.3g}") for value in seconds]
    ratio = float(f"{middle / (limit or middle):.3g}")
    return Row(
        benchmark=benchmark,
        against="itself" if limit is None else f"{limit:g} s",
        ratio=ratio,
        goal=None if limit is None else "<= 1",
        met=None if limit is None else ratio <= 1,
        seconds=float(f"{middle:.4g}"),
        peer_seconds=limit,
        machine=machine(),
        date=time.strftime("%Y-%m-%d", time.gmtime()),
        spread=(min(ratios), max(ratios)),
        cpu_seconds=float(f"{median(cpu):.4g}") if cpu else None,
        peer_cpu_seconds=None,
        unit="run",
        note=f"{len(seconds)} rounds, load average {os.getloadavg()[0]:.0f}" if limit else "",
    )


BENCHMARKS = {"portal": portal}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
