"""Building the viewer: once for each state of its sources; without npm one clear error."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from scatterflow.catalogue import site_viewer
from scatterflow.catalogue.site_viewer import SOURCES, build_viewer, is_built
from scatterflow.errors import UserError


def test_without_npm_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="node and npm") as caught:
        build_viewer(tmp_path / "viewer")
    assert "apt install nodejs npm" in caught.value.how
    assert not (tmp_path / "viewer").exists()


@pytest.mark.parametrize(
    ("failing", "message"),
    [("ci", "could not be fetched"), ("run", "could not be built")],
)
def test_a_failing_npm_leaves_nothing(tmp_path, monkeypatch, failing, message):
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("node", "npm"):
        (programs / name).write_text(
            f'#!/bin/sh\nif [ "$1" = {failing} ]; then echo it went wrong >&2; exit 1; fi\n'
        )
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    with pytest.raises(UserError, match=message) as caught:
        build_viewer(tmp_path / "viewer")
    assert "it went wrong" in caught.value.where
    assert not (tmp_path / "viewer").exists()


def test_changed_sources_are_built_again(built_viewer, tmp_path, monkeypatch):
    assert is_built(built_viewer)
    before = (built_viewer / "index.html").stat().st_mtime_ns
    build_viewer(built_viewer)
    assert (built_viewer / "index.html").stat().st_mtime_ns == before
    shutil.copytree(SOURCES, tmp_path / "sources")
    monkeypatch.setattr(site_viewer, "SOURCES", tmp_path / "sources")
    assert is_built(built_viewer)
    with open(tmp_path / "sources/src/viewer.css", "a") as file:
        file.write("/* changed */")
    assert not is_built(built_viewer)
    assert not is_built(tmp_path / "nothing")


def test_the_built_viewer_compiles_no_text_and_asks_nobody(built_viewer):
    page = (built_viewer / "index.html").read_text(encoding="utf-8")
    assert "'unsafe-eval'" not in page
    assert "'unsafe-inline'" not in page
    assert not re.findall(r'(?:src|href)="(?!\./assets/|data:,)', page)
    (script,) = built_viewer.glob("assets/*.js")
    assert script.stat().st_size > 4e6  # HDF5 itself is in there


def test_all_packages_are_pinned_and_none_names_a_host():
    package = json.loads((SOURCES / "package.json").read_text())
    pins = {**package["dependencies"], **package["devDependencies"]}
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in pins.values()), pins
    lock = json.loads((SOURCES / "package-lock.json").read_text())
    packages = {path: entry for path, entry in lock["packages"].items() if path}
    assert all("integrity" in entry for entry in packages.values())
    assert not [path for path, entry in packages.items() if "resolved" in entry]
    for name, version in pins.items():
        assert packages[f"node_modules/{name}"]["version"] == version
    assert Path(SOURCES / "node_modules").exists() is False
