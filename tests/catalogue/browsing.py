"""Looking at the portal in a browser: pages that note whatever goes wrong, colours and contrast."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SITE = "catalogue/site"
# Of all text on a page: the smallest contrast with its background (WCAG 2.2, relative luminance).
LEAST_CONTRAST = """() => {
  const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((c) => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const background = (element) => {
    for (; element; element = element.parentElement) {
      const colour = numbers(getComputedStyle(element).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  let least = [21, ""];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest(":disabled, .unseen, .skip, noscript")) continue;
    const [a, b] = [luminance(numbers(getComputedStyle(element).color)), luminance(background(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < least[0]) least = [contrast, element.outerHTML.slice(0, 200)];
  }
  return least;
}"""


class Looking:
    """A page of a browser, and what went wrong in it: errors, refusals of the policy, dialogs, addresses."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda said: said.type == "error" and self.faults.append(said.text))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("dialog", self._dialog)
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("response", lambda answer: answer.status >= 400 and self.faults.append(answer.url))

    def _dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()


@contextmanager
def looking(browser: Browser, **options: Any) -> Iterator[Looking]:
    """A fresh page; at its end nothing must have gone wrong, and nothing been asked of other sites."""
    with browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **options}) as context:
        context.set_default_timeout(20_000)
        look = Looking(context.new_page())
        yield look
        assert not look.faults, look.faults
        kinds = ("http://127.0.0.1:", "file:///", "data:", "blob:")
        assert not [address for address in look.asked if not address.startswith(kinds)], look.asked


@contextmanager
def serving(server: HTTPServer) -> Iterator[str]:
    """The address of a server while it serves."""
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{SITE}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def plain_server(folder: Path) -> HTTPServer:
    """Python's own server of plain files."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
