"""`scatterflow registry COMMAND`, as a user calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from scatterflow.__main__ import main
from scatterflow.registry import get_arrays, get_geometry, get_mask, get_record, register_mask

from .conftest import SHAPE, some_mask

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to work in, with a mask file; the registry is `registry` in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCATTERFLOW_REGISTRY", raising=False)
    np.save("good.npy", some_mask())
    return tmp_path


@pytest.fixture
def call(folder, capsys):
    """Call a command; returns what it printed. It must succeed."""

    def run(*arguments: str) -> str:
        code = main(["registry", *map(str, arguments)])
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


@pytest.fixture
def refused(folder, capsys):
    """Call a command that must fail; returns its message."""

    def run(*arguments: str) -> str:
        assert main(["registry", *map(str, arguments)]) == 1
        printed = capsys.readouterr()
        assert printed.err.startswith("error: ")
        return printed.err

    return run


REGISTER = ("register", "waxs", "stop", "good.npy", "--true-means", "good", "--shape", "13", "21")


def test_from_registering_to_sweeping(call, folder):
    assert "registered mask waxs/stop, version 1" in call(*REGISTER, "--comment", "new holder")
    np.save("more.npy", some_mask(1))
    printed = call(
        *("register", "waxs", "stop", "more.npy", "--true-means", "good", "--reason", "hot"),
        *("--set", "run=12", "--set", "sample=water", "--valid-from", "2026-01-01T00:00Z"),
    )
    assert f"hot {int((~some_mask(1)).sum())}" in printed
    record = get_record("mask", "waxs", "stop")
    assert record.metadata == {"run": 12, "sample": "water"}
    assert record.source["file"] == "more.npy"

    table = call("list").splitlines()
    assert len(table) == 2
    assert table[1].split()[:4] == ["mask", "waxs", "stop", "2"]
    assert len(call("list", "--all-versions").splitlines()) == 3
    assert len(call("list", "--where", "run=10..20").splitlines()) == 2
    assert len(call("list", "--where", "sample=oil").splitlines()) == 1
    assert json.loads(call("list", "--json", "--text", "water"))[0]["uid"] == record.uid

    shown = call("show", "waxs", "stop", "--picture", "stop.png")
    newly, gone = (some_mask() & ~some_mask(1)).sum(), (~some_mask() & some_mask(1)).sum()
    assert f"since version 1: {newly} pixels newly masked, {gone} no longer" in shown
    assert record.sha256 in shown
    assert "#" in shown
    assert (folder / "stop.png").stat().st_size > 1000
    assert "the first version" in call("show", "waxs", "stop", "--version", "1")

    call("export", "waxs", "stop", "stop.edf", "--version", "1")
    call("import", "waxs", "again", "stop.edf", "--format", "array")
    np.testing.assert_array_equal(get_mask("waxs", "again").compute(), some_mask())

    call("compose", "waxs", "all", "stop@1", "stop@2", "--comment", "both")
    np.testing.assert_array_equal(get_mask("waxs", "all").compute(), some_mask() & some_mask(1))

    assert "0 problems" in call("verify")
    assert "version 1, 2" in call("delete", "waxs", "stop", "--comment", "wrong")
    call("delete", "waxs", "all")
    call("delete", "waxs", "again")
    assert "3 objects" in call("sweep", "--older-than-hours", "-1", "--dry-run")
    assert "3 objects" in call("sweep", "--older-than-hours", "-1")
    assert "0 problems" in call("verify")


PONI = "poni_version: 2.1\r\nDistance: 0.2\r\n" + "".join(
    f"{key}: 0.01\r\n" for key in ("Poni1", "Poni2", "Rot1", "Rot2", "Rot3")
)
PONI += "Wavelength: 1e-10\r\n"


@pytest.mark.parametrize("kind", ["dark", "flat", "gain"])
def test_images_are_registered_and_exported(call, kind):
    image = np.arange(273.0).reshape(SHAPE)
    image[2, 3] = np.nan
    np.save("image.npy", image)
    call("register", "waxs", "cold", "image.npy", "--kind", kind, "--shape", "13", "21")
    call("export", "waxs", "cold", "out.npy", "--kind", kind)
    np.testing.assert_array_equal(np.load("out.npy"), image)
    np.testing.assert_array_equal(get_arrays(kind, "waxs", "cold")["data"], image)
    assert f"{kind} waxs/cold, version 1" in call("show", "waxs", "cold", "--kind", kind)


def test_several_arrays_are_registered_and_exported(call):
    stages = np.arange(3 * 273, dtype=np.float32).reshape(3, *SHAPE)
    np.savez("stages.npz", data=stages)
    call("register", "waxs", "jungfrau", "stages.npz", "--kind", "gain")
    call("export", "waxs", "jungfrau", "out.npy", "--kind", "gain")
    assert np.load("out.npy").dtype == np.float32
    np.testing.assert_array_equal(np.load("out.npy"), stages)
    bins = {"static": np.arange(273).reshape(SHAPE), "q": np.linspace(0.1, 1, 7)}
    np.savez("qmap.npz", **bins)
    call("register", "waxs", "rings", "qmap.npz", "--kind", "qmap", "--set", "rings=7")
    call("export", "waxs", "rings", "out.npz", "--kind", "qmap")
    found = get_arrays("qmap", "waxs", "rings")
    with np.load("out.npz") as exported:
        for name, array in bins.items():
            np.testing.assert_array_equal(exported[name], array)
            np.testing.assert_array_equal(found[name], array)
    assert "qmap" in call("list", "--where", "rings=7")


def test_a_geometry_is_registered_and_exported_byte_for_byte(call, folder):
    (folder / "waxs.poni").write_bytes(PONI.encode())
    call("register", "waxs", "lab6", "waxs.poni", "--kind", "geometry")
    call("export", "waxs", "lab6", "out.poni", "--kind", "geometry")
    assert (folder / "out.poni").read_bytes() == PONI.encode()
    assert get_geometry("waxs", "lab6") == PONI
    assert "geometry waxs/lab6" in call("show", "waxs", "lab6", "--kind", "geometry")
    assert len(call("list").splitlines()) == 2


@pytest.mark.parametrize(
    ("kind", "content", "more", "message"),
    [
        ("geometry", "Distance: nan\n", (), "PONI"),
        ("geometry", PONI.replace("0.2", "nan"), (), "not a finite number"),
        ("geometry", PONI, ("--proposal",), "--proposal is for masks"),
        ("dark", np.full(SHAPE, np.nan), (), "no value at all"),
        ("flat", np.full(SHAPE, np.inf), (), "infinite"),
        ("dark", np.ones(SHAPE[::-1]), (), "look swapped"),
        ("dark", np.ones(SHAPE), ("--true-means", "good"), "--true-means is for masks"),
        ("dark", np.ones(SHAPE), ("--reason", "hot"), "--reason is for masks"),
    ],
    ids=str,
)
def test_what_is_no_calibration_is_refused(refused, folder, kind, content, more, message):
    if isinstance(content, str):
        (folder / "file").write_text(content)
        more = ("file", "--kind", kind, *more)
    else:
        np.save("file.npy", content)
        more = ("file.npy", "--kind", kind, "--shape", "13", "21", *more)
    assert message in refused("register", "waxs", "x", *more)
    assert not list(folder.glob("registry/records/**/*.json"))


def test_a_spoilt_npz_is_refused(refused, folder):
    np.savez("a.npz", q=np.arange(3))
    content = (folder / "a.npz").read_bytes()
    (folder / "a.npz").write_bytes(content[:-30])
    assert "cannot be read" in refused("register", "waxs", "x", "a.npz", "--kind", "qmap")
    np.savez("b.npz", q=np.array([{}], object))
    assert "cannot be read" in refused("register", "waxs", "x", "b.npz", "--kind", "qmap")


def test_a_proposal_is_accepted(call):
    call(*REGISTER, "--proposal")
    assert len(call("list", "--kind", "mask").splitlines()) == 1
    assert "registered mask waxs/stop, version 1" in call("accept", "waxs", "stop")
    assert len(call("list", "--kind", "mask").splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("register", "waxs", "stop", "good.npy", "--shape", "13", "21"), "nothing says whether"),
        (("register", "waxs", "stop", "good.npy", "--true-means", "good"), "give --shape"),
        (("register", "../waxs", "stop", "good.npy"), "cannot be a name"),
        (REGISTER[:-2] + ("21", "13"), "look swapped"),
        ((*REGISTER, "--set", "x"), "no KEY=VALUE"),
        ((*REGISTER, "--set", "version=3"), "a record has a field of that name"),
        *(
            ((*REGISTER, "--set", f"{key}=3"), f"metadata cannot be called '{key}'")
            for key in (
                "detector",
                "comment",
                "kind",
                "source",
                "reason",
                "reasons",
                "registry",
                "at",
            )
        ),
        (("list", "--where", "kind=mask"), "kind is not asked for in this way"),
        (("list", "--where", "text=mask"), "text is not asked for in this way"),
        (REGISTER[:-2] + ("-13", "21"), "no detector has -13 x 21 pixels"),
        (REGISTER[:-2] + ("10000000", "1000000"), "no detector has"),
        ((*REGISTER, "--expected-version", "4"), "is at version 0, not 4"),
        ((*REGISTER[:5], "masked", *REGISTER[6:]), "the polarity may be wrong"),
        ((*REGISTER, "--pyfai-detector", "Pilatus1M"), "1043 x 981"),
        (("list",), "there is no registry"),
        (("verify",), "there is no registry"),
        (("show", "waxs", "stop"), "there is no registry"),
        (("import", "waxs", "m", "none.npy", "--format", "guess", "--shape", "3", "4"), "unknown"),
        (("fetch", "waxs", "m", "http://u:p@127.0.0.1:1/api"), "holds a key or password"),
        (("fetch", "waxs", "m", "http://127.0.0.1:1/?api_key=x"), "holds a key or password"),
    ],
    ids=lambda value: " ".join(value[:3]) if isinstance(value, tuple) else value[:20],
)
def test_a_mistake_is_one_message_and_changes_nothing(refused, folder, arguments, message):
    assert message in refused(*arguments)
    assert not list(folder.glob("registry/records/**/*.json"))


def test_what_verify_finds_is_its_exit_code(call, folder, capsys):
    call(*REGISTER)
    (content,) = (folder / "registry/objects").glob("*/*")
    content.unlink()
    assert main(["registry", "verify"]) == 1
    assert "its object" in capsys.readouterr().out


def test_the_registry_is_the_named_one_then_the_configured_one_then_that_of_the_environment(
    call, folder, monkeypatch
):
    for index, name in enumerate(("named", "configured", "environment", "registry")):
        register_mask("d", name, some_mask(index), registry=folder / name)
    monkeypatch.setenv("SCATTERFLOW_REGISTRY", "environment")
    assert " environment " in call("list")
    (folder / "config").mkdir()
    (folder / "config/config.yaml").write_text("registry: configured\n")
    assert " configured " in call("list")
    assert " named " in call("list", "--registry", "named")
    (folder / "config/config.yaml").unlink()
    monkeypatch.delenv("SCATTERFLOW_REGISTRY")
    assert " registry " in call("list")


def test_copying_between_registries(call, folder):
    call(*REGISTER, "--comment", "first")
    first = get_record("mask", "waxs", "stop")
    printed = call("publish", "waxs", "stop", "other")
    assert "registered mask waxs/stop, version 1" in printed
    copy = get_record("mask", "waxs", "stop", registry=folder / "other")
    assert (copy.sha256, copy.comment) == (first.sha256, "first")
    assert copy.uid != first.uid
    assert copy.source["copy_of"]["uid"] == first.uid
    call("publish", "waxs", "stop", "other")  # the same content again: nothing is written
    assert len(get_mask("waxs", "stop", registry=folder / "other").record.uid) == 32
    assert get_record("mask", "waxs", "stop", registry=folder / "other").version == 1
    call("fetch", "waxs", "stop", "other", "--registry", "third")
    assert get_record("mask", "waxs", "stop", registry=folder / "third").sha256 == first.sha256


def test_as_a_program_and_without_heavy_imports(folder):
    register_mask("waxs", "stop", some_mask(), registry="registry")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(SCRIPTS / "scatterflow"), "registry", "list"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert "waxs" in done.stdout
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"dask", "h5py", "pandas", "scipy", "pydantic", "matplotlib", "tiled"}
