"""A real Chromium, and the viewer built once: for tests that look at the portal as people do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from scatterflow.catalogue.site_viewer import build_viewer, can_build
from scatterflow.errors import UserError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """The Chromium of this computer, headless."""
    program = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
    )
    if program is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import sync_playwright

    # Root may not use the sandbox; the driver's own flags keep the browser away from the network.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def built_viewer() -> Path:
    """The viewer, where `make portal` keeps it: built by the first who needs it after a change."""
    if not can_build():
        pytest.skip("node and npm, which build the viewer, are not installed")
    folder = REPOSITORY / "resources" / "portal_viewer"
    try:
        build_viewer(folder)
    except UserError as error:
        if "could not be fetched" in error.what:
            pytest.skip(f"npm could not fetch the packages of the viewer: {error.where}")
        raise
    return folder
