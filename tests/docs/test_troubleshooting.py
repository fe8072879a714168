"""The page of messages: each message exists, and a good part of them is provoked as users meet it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import snakemake
import snakemake_executor_plugin_slurm
import yaml

from scatterflow.__main__ import main

from .messages import OTHERS, quoted, says, texts
from .pages import REPOSITORY

OURS = [text for title, messages in quoted().items() if title not in OTHERS for text in messages]
THEIRS = [text for title in OTHERS for text in quoted()[title]]


def test_each_message_of_ours_exists():
    known = texts(REPOSITORY / "scripts")
    assert len(OURS) > 80
    gone = [text for text in OURS if not any(says(one, text) for one in known)]
    assert gone == []


def test_each_message_of_snakemake_exists():
    folders = [
        Path(module.__file__).parent for module in (snakemake, snakemake_executor_plugin_slurm)
    ]
    known = texts(*folders, REPOSITORY / "scripts/scatterflow/plan")
    # What they begin with, or say among other things.
    gone = [text for text in THEIRS if not any(says(one, text, whole=False) for one in known)]
    assert len(THEIRS) > 15
    assert gone == []


GEOMETRY = {
    "distance_m": 0.2,
    "poni1_m": 0.001,
    "poni2_m": 0.001,
    "wavelength_m": 1e-10,
    "pixel1_m": 1e-4,
    "pixel2_m": 1e-4,
}
CONFIG: dict[str, Any] = {
    "experiment": {"title": "t", "facility": "f", "beamline": "b"},
    "sources": {
        "series": {
            "format": "images",
            "frames": {"saxs": "{raw}_{frame:03d}.tif"},
            "table": "{raw}.csv",
            "scalars": {"i0": {"type": "column", "name": "i0"}},
        },
        "events": {"format": "imm", "frames": {"saxs": "{raw}.imm"}},
        "shots": {"format": "shot_hdf5", "tags": "tags", "detectors": {"saxs": "frames"}},
    },
    "detectors": {"saxs": {"shape": [20, 30], "geometry": GEOMETRY}},
    "reductions": {
        "x": {"technique": "saxswaxs", "integrations": {"azimuthal": {"kind": "azimuthal"}}},
        "dynamics": {
            "technique": "xpcs",
            "qmap": {"coordinates": [{"name": "q", "dynamic": {"bins": 3}}]},
        },
    },
}
TABLE = "run\treduction\tsource\traw\tframes\tbackground\na\tx\tseries\ta\t5\t\n"


def plan(table: str = TABLE, **changes: Any) -> int:
    """`scatterflow plan` of a configuration with changes ; `__` stands between the keys of blocks."""
    data = copy.deepcopy(CONFIG)
    for key, value in changes.items():
        block = data
        *path, last = key.split("__")
        for name in path:
            block = block.setdefault(name, {})
        block[last] = value
    return planned(yaml.safe_dump(data), table)


def planned(text: str, table: str = TABLE) -> int:
    Path("config").mkdir(exist_ok=True)
    Path("config/config.yaml").write_text(text)
    Path("config/runs.tsv").write_text(table)
    return main(["plan"])


def row(*cells: str) -> str:
    return "\t".join(cells) + "\n"


def with_file(path: str, content: bytes, *command: str) -> int:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(content)
    return main([*command])


def import_inverted() -> int:
    mask = np.zeros((20, 30), np.uint8)
    mask[:5] = 1
    np.save("mask.npy", mask)
    command = "registry import saxs stop mask.npy --format array --true-means good --shape 20 30"
    return main(command.split())


def register(mask: np.ndarray, *options: str) -> int:
    np.save("mask.npy", mask)
    return main(
        ["registry", "register", "saxs", "stop", "mask.npy", "--true-means", "good", *options]
    )


def show_another() -> int:
    assert register(np.ones((20, 30), bool), "--shape", "20", "30") == 0
    return main(["registry", "show", "saxs", "stopp"])


def register_other_shape() -> int:
    assert register(np.ones((20, 30), bool), "--shape", "20", "30") == 0
    return register(np.ones((30, 20), bool), "--shape", "30", "20")


def outside() -> int:
    Path("raw").mkdir()
    plan()
    return main(["trigger", "/etc/hostname", "--no-start"])


PROVOKED: dict[str, Callable[[], int]] = {
    "... mistakes in the configuration:...": lambda: plan(raw=5, detectors__saxs__shape=[1]),
    "not valid YAML: ...": lambda: planned("experiment: {title: a: b}\n"),
    "the configuration is not a mapping of keys": lambda: planned("- a\n"),
    "...: there is no ...": lambda: plan(
        overrides=[{"runs": "a", "set": {"reductions.y.axis": "i0"}}]
    ),
    "... cannot be overridden by run": lambda: plan(overrides=[{"runs": "a", "set": {"raw": "b"}}]),
    "the run table has no column ...": lambda: plan(
        overrides=[{"where": {"temperature": 5}, "set": {"chunks.frames": 5}}]
    ),
    "the expression uses ..., which is no scalar of this source": lambda: plan(
        sources__series__scalars__double={"type": "expression", "name": "2 * ic"}
    ),
    "bad expression ...: ...": lambda: plan(
        sources__series__scalars__double={"type": "expression", "name": "i0.__class__"}
    ),
    "... cells where the header has ... columns": lambda: plan(TABLE + "b x series b 5\n"),
    "run ... stands twice in the run table...": lambda: plan(TABLE + TABLE.splitlines()[1] + "\n"),
    "run ... has ... frames": lambda: plan(TABLE + row("b", "x", "series", "b", "many", "")),
    "source ... is not configured": lambda: plan(TABLE + row("b", "x", "serie", "b", "5", "")),
    "... is no other run of the table": lambda: plan(
        TABLE + row("b", "x", "series", "b", "5", "b")
    ),
    "source ... of format ... gives ..., and reduction ... is of technique ...": lambda: plan(
        TABLE + row("b", "x", "shots", "b", "5", "")
    ),
    "the time from one raw frame to the next is not known": lambda: plan(
        TABLE + row("b", "dynamics", "events", "b", "50", "")
    ),
    "one frame alone needs ... MB, more than a chunk job may use": lambda: plan(
        chunks__memory_mb=1000, detectors__saxs__shape=[20000, 20000]
    ),
    "... chunk jobs for one run, more than ...": lambda: plan(
        TABLE.replace("\t5\t", "\t50000000\t"), chunks__frames=1
    ),
    "not a complete HDF5 file (...)": lambda: with_file(
        "old.hdf", b"\x89HDF\r\n\x1a\n", "convert-xpcs", "old.hdf", "new.nxs"
    ),
    "there is no registry": lambda: main(["registry", "show", "saxs", "stop"]),
    "... is registered": show_another,
    "... of the pixels would be masked: the polarity may be wrong": import_inverted,
    "the registry knows detector ... with ... x ... pixels": register_other_shape,
    "... is not below the raw folder": outside,
    "there is no index of results": lambda: main(["search", "colloid"]),
    "this is no index of this version of scatterflow, or it is damaged": lambda: with_file(
        "results/catalogue/index.sqlite", b"no database", "search", "colloid"
    ),
}


@pytest.mark.parametrize("message", PROVOKED)
def test_it_is_said(message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SCATTERFLOW_REGISTRY", raising=False)
    assert message in OURS
    assert PROVOKED[message]() == 1
    told = capsys.readouterr().err
    first = told[told.index("error: ") + 7 :].split("\nwhere: ")[0].split("\nmend: ")[0]
    assert says(first, message), told
    assert "mend: " in told
