"""A CHAP SAXS/WAXS configuration as ours: `config.yaml`, the run table, PONI files.

Read are a `map_config.yaml`, a `pyfai_integration_processor_config.yaml`, corrections, fits and detectors,
or a pipeline that holds or reads them. What cannot be translated, or means something else now, is told
line by line; numbers of frames are read from the SPEC files and never invented.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from scatterflow.config.base import check_name
from scatterflow.config.load import validate
from scatterflow.convert.chap_corrections import Chain, convert_corrections
from scatterflow.convert.chap_detectors import convert_detectors, detector_names, shown_path
from scatterflow.convert.chap_files import read_chap
from scatterflow.convert.chap_fits import convert_fits
from scatterflow.convert.chap_integrations import convert_integrations
from scatterflow.convert.chap_maps import convert_maps
from scatterflow.convert.chap_scalars import axis_names, convert_scalars
from scatterflow.convert.chap_scans import Scan, raw_root, read_scans, run_names
from scatterflow.convert.notes import Notes
from scatterflow.errors import UserError
from scatterflow.files.atomic import write_text

COLUMNS = ["run", "reduction", "source", "raw", "frames", "sample", "background"]
KNOWN_MAP_KEYS = {
    *("title", "station", "experiment_type", "sample", "spec_scans", "spec_file", "scan_numbers"),
    *("par_file", "independent_dimensions", "scalar_data", "presample_intensity"),
    *("postsample_intensity", "dwell_time_actual", "attrs", "did", "validate_data_present"),
}


@dataclass(frozen=True)
class Converted:
    """What is to be written: the configuration, the rows of the run table, further files by path."""

    configuration: dict[str, Any]
    rows: list[dict[str, str]]
    files: dict[Path, str]
    notes: Notes


def convert_chap(paths: list[str | Path], folder: str | Path) -> Converted:
    """Translate; folder: where the files will be written, for the paths in them.

    Raises UserError for what is no CHAP configuration, or one that cannot be meant.
    """
    notes = Notes()
    chap = read_chap(paths)
    for key in sorted(set(chap.map) - KNOWN_MAP_KEYS):
        notes.lose(f"map {key}", "not known")
    names = detector_names(chap, notes)
    detectors, files = convert_detectors(chap, names, Path(folder).absolute() / "geometry", notes)
    scalars = convert_scalars(chap.map, notes)
    integrations = convert_integrations(chap.pyfai, names, notes)
    chains = convert_corrections(chap, list(integrations), scalars, notes)
    kinds = {name: item["kind"] for name, item in integrations.items()}
    fits = convert_fits(chap.fits, _named(chains), kinds, notes)

    scans = read_scans(chap, chap.map, "map", notes)
    background = list(dict.fromkeys(scan for chain in chains for scan in chain.background))
    every = list(dict.fromkeys([*scans, *background]))
    root = raw_root(every, chap.input_folder)
    runs = dict(run_names(every, root))
    sources = _sources(every, root, names, scalars)
    axes = axis_names(chap.map, scalars)
    configuration: dict[str, Any] = {
        "experiment": _experiment(chap.map, notes),
        "runs": shown_path(Path(folder) / "runs.tsv"),
        "raw": shown_path(root),
        "sources": {source: recipe for source, (recipe, _) in sources.items()},
        "detectors": detectors,
        "reductions": {
            chain.name: _reduction(chain, integrations, fits.get(chain.name), axes)
            for chain in chains
        },
    }
    samples = [run for scan, run in runs.items() if scan in scans]
    if maps := convert_maps(configuration["experiment"]["title"], chains, axes, samples, notes):
        configuration["maps"] = maps
    source_of = {par: source for source, (_, par) in sources.items()}
    rows = [
        _row(scan, run, chap.map, chains, scan in scans, runs, root)
        | {"source": source_of[scan.par_file]}
        for scan, run in runs.items()
    ]
    _note_backgrounds(chains, notes)
    validate(configuration, "the translated configuration")
    return Converted(configuration, rows, files, notes)


def write_converted(converted: Converted, folder: str | Path) -> list[Path]:
    """Write all files, the configuration last; returns their paths.

    Raises UserError, before anything is written, if one of them exists.
    """
    folder = Path(folder)
    texts = {
        **converted.files,
        folder / "runs.tsv": run_table(converted.rows),
        folder / "config.yaml": configuration_text(converted.configuration),
    }
    for path in texts:
        if path.exists() or path.is_symlink():
            raise UserError("the file exists", str(path), "choose another folder for --output")
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def configuration_text(configuration: dict[str, Any]) -> str:
    """The configuration as YAML."""
    comment = (
        "# Translated from a CHAP configuration; every key is explained in config/README.md.\n"
    )
    return comment + yaml.dump(
        configuration, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None
    )


class _Dumper(yaml.SafeDumper):
    """Writes what two blocks share twice: a reader edits them one by one."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def run_table(rows: list[dict[str, str]]) -> str:
    """The run table as text: usual columns first, those that hold nothing left out."""
    further = [key for row in rows for key in row if key not in COLUMNS]
    optional = {"sample", "background"}
    columns = [name for name in COLUMNS if name not in optional or any(r.get(name) for r in rows)]
    columns += list(dict.fromkeys(further))
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return text.getvalue()


def _experiment(chap_map: dict[str, Any], notes: Notes) -> dict[str, Any]:
    experiment = {
        "title": str(chap_map.get("title") or "CHAP map"),
        "facility": "CHESS",
        "beamline": str(chap_map.get("station") or "unknown").upper(),
    }
    if not chap_map.get("station"):
        notes.lose("map station", "left out: the beamline is unknown")
    if chap_map.get("did"):
        experiment["proposal"] = str(chap_map["did"])
    return experiment


def _sources(
    scans: list[Scan], root: Path, names: dict[str, str], scalars: dict[str, Any]
) -> dict[str, tuple[dict[str, Any], Path | None]]:
    """(source, par file) by name: one for each par file."""
    sources: dict[str, tuple[dict[str, Any], Path | None]] = {}
    for par in dict.fromkeys(scan.par_file for scan in scans):
        recipe: dict[str, Any] = {
            "format": "spec",
            "frames": {name: identity for identity, name in names.items()},
        }
        if scalars:
            recipe["scalars"] = scalars
        if par is not None:
            recipe["par_file"] = par.relative_to(root).as_posix()
        name = "chess" if not sources else f"chess_{len(sources) + 1}"
        sources[name] = (recipe, par)
    return sources


def _named(chains: list[Chain]) -> list[Chain]:
    """The chains, with names that differ also if case is ignored."""
    taken: set[str] = set()
    for chain in chains:
        name, number = chain.name, 2
        while chain.name.lower() in taken:
            chain.name = f"{name[:60]}_{number}"
            number += 1
        taken.add(chain.name.lower())
    return chains


def _reduction(
    chain: Chain, integrations: dict[str, Any], fits: dict[str, Any] | None, axes: list[str]
) -> dict[str, Any]:
    reduction: dict[str, Any] = {
        "technique": "saxswaxs",
        "integrations": {name: integrations[name] for name in chain.integrations},
    }
    if chain.corrections:
        reduction["corrections"] = chain.corrections
    if fits:
        reduction["fits"] = fits
    if axes:
        reduction["axis"] = axes[0]
    return reduction


def _row(
    scan: Scan,
    run: str,
    chap_map: dict[str, Any],
    chains: list[Chain],
    is_sample: bool,
    runs: dict[Scan, str],
    root: Path,
) -> dict[str, str]:
    sample = chap_map.get("sample") or {}
    background = next((chain.background for chain in chains if chain.background), [])
    row = {
        "run": run,
        # A background is integrated as its samples need it, and delivers no result of its own.
        "reduction": ",".join(chain.name for chain in chains) if is_sample else "",
        "raw": scan.raw(root),
        "frames": str(scan.frames),
        "sample": _cell(sample.get("name", "")) if is_sample else "background",
    }
    if is_sample:
        row["background"] = ",".join(runs[item] for item in background if item in runs)
        if sample.get("description"):
            row["sample_description"] = _cell(sample["description"])
        for key, value in (chap_map.get("attrs") or {}).items():
            row[_column(key)] = _cell(value)
    return row


def _column(key: Any) -> str:
    """A key of `attrs` as the name of a column of its own."""
    name = re.sub(r"\W+", "_", str(key)).strip("_") or "attribute"
    try:
        check_name(name)
    except ValueError:
        name = f"attribute_{name}"[:60]
    return f"attrs_{name}" if name in (*COLUMNS, "sample_description") else name


def _cell(value: Any) -> str:
    return " ".join(str(value).split())


def _note_backgrounds(chains: list[Chain], notes: Notes) -> None:
    different = {tuple(chain.background) for chain in chains if chain.background}
    if len(different) > 1:
        notes.lose(
            "corrections background",
            "corrections have different ones; a run has the same for all its reductions: the first is "
            "taken, split the run table for the others",
        )
