"""What the page of one result shows: text, units and addresses, ready for the template `result.html`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from scatterflow.catalogue.site_files import FoundFile
from scatterflow.catalogue.site_rows import technique, title
from scatterflow.catalogue.site_text import (
    flat,
    plot_title,
    shown,
    shown_size,
    shown_time,
    shown_unit,
)

VERDICT_WORDS = {
    "pass": "passed",
    "warn": "warning",
    "fail": "failed",
    "not_applicable": "not applicable",
}
FIRST_PLOTS = ("g2", "scattering", "profiles", "mean", "qmap", "stability", "twotime")

Rows = list[tuple[str, str]]


@dataclass(frozen=True)
class Plot:
    """A picture: its title, addresses of PNG and SVG ("" if there is none)."""

    title: str
    png: str
    svg: str


@dataclass(frozen=True)
class Check:
    """A quality check as text."""

    title: str
    verdict: str
    word: str
    sentence: str
    value: str
    limit: str


@dataclass(frozen=True)
class Page:
    """All that the template shows. base: address of the result's folder, as seen from the page."""

    run: str
    reduction: str
    title: str
    technique: str
    term: str | None
    verdict: str
    verdict_word: str
    failed: int
    warned: int
    base: str
    facts: Rows
    plots: list[Plot]
    hdf5: list[tuple[FoundFile, str]]
    checks: list[Check] | None
    groups: list[tuple[str, Rows]]
    masks: list[dict[str, str]]
    raw: list[tuple[str, str, str]]
    steps: list[dict[str, str]]
    processing: list[tuple[str, Rows]]
    reprocess: dict[str, str]
    files: list[tuple[FoundFile, str]]
    notes: list[str]


def page_of(
    record: dict[str, Any], files: list[FoundFile], quality: dict[str, Any] | None, to_files: str
) -> Page:
    """The page of a record. to_files: address of the folder that holds RUN/REDUCTION, from the page."""
    verdict = record["quality"]["verdict"]
    there = [file for file in files if file.there]
    return Page(
        run=record["run"],
        reduction=record["reduction"],
        title=title(record),
        technique=record["technique"]["label"] or technique(record),
        term=_web_address(record["technique"]["term"]),
        verdict=verdict,
        verdict_word=VERDICT_WORDS.get(verdict, verdict),
        failed=len(record["quality"]["failed"]),
        warned=len(record["quality"]["warned"]),
        base=f"{to_files}{quote(record['run'])}/{quote(record['reduction'])}/",
        facts=_facts(record),
        plots=_plots(there),
        hdf5=[(file, shown_size(file.bytes)) for file in there if file.is_hdf5],
        checks=None if quality is None else [_check(check) for check in quality["checks"]],
        groups=_groups(record),
        masks=_masks(record),
        raw=[
            (name, shown(item["value"]), shown_unit(item["unit"] or ""))
            for name, item in record["metadata"]["raw"].items()
        ],
        steps=[_step(step) for step in record["processing"]["steps"]],
        processing=_processing(record["processing"]),
        reprocess=record["reprocess"],
        files=[(file, shown_size(file.bytes)) for file in files],
        notes=record.get("notes", []),
    )


def _web_address(term: str | None) -> str | None:
    # An address of another kind (javascript:) would run when it is followed.
    return term if term and term.startswith(("https://", "http://")) else None


def _facts(record: dict[str, Any]) -> Rows:
    """The few things that everyone looks for first."""
    rows = [
        ("Sample", shown(record["sample"])),
        ("Measured", shown_time(record["times"]["run_start"])),
        ("Energy", _quantity(record["energy"])),
        ("q range", _range(record["q_range"])),
        ("Exposure", _quantity(record["exposure_time"])),
        ("Frames", f"{record['frames']:,}"),
        ("Detector", shown([detector["name"] for detector in record["detectors"]])),
        ("Creator", shown([creator["name"] for creator in record["datacite"]["creators"]])),
    ]
    return [(name, value) for name, value in rows if value != shown(None)]


def _plots(files: list[FoundFile]) -> list[Plot]:
    paths = {file.path: file for file in files if file.role == "plot"}
    vector = {
        path.removesuffix(".svg"): file for path, file in paths.items() if path[-4:] == ".svg"
    }
    found = []
    for path, file in paths.items():
        if path.endswith(".png"):
            stem = path.removesuffix(".png")
            name = stem.rpartition("/")[2]
            svg = vector[stem].url if stem in vector else ""
            found.append((_place(name), name, Plot(plot_title(name), file.url, svg)))
    return [plot for _, _, plot in sorted(found, key=lambda item: item[:2])]


def _place(name: str) -> int:
    for place, word in enumerate(FIRST_PLOTS):
        if name == word or name.endswith(f"_{word}"):
            return place
    return len(FIRST_PLOTS)


def _check(check: dict[str, Any]) -> Check:
    unit = f" {shown_unit(check['unit'])}" if check.get("unit") else ""
    value, limit = check.get("value"), check.get("limit")
    if isinstance(limit, list):
        limit = " to ".join(shown(bound) for bound in limit)
    verdict = str(check.get("verdict"))
    return Check(
        title=str(check.get("title") or check.get("name")),
        verdict=verdict if verdict in VERDICT_WORDS else "",
        word=VERDICT_WORDS.get(verdict, verdict),
        sentence=str(check.get("sentence") or ""),
        value="" if value is None else f"{shown(value)}{unit}",
        limit="" if limit is None else f"{shown(limit)}{unit}",
    )


def _groups(record: dict[str, Any]) -> list[tuple[str, Rows]]:
    experiment, datacite, times = record["experiment"], record["datacite"], record["times"]
    detectors = [
        (detector["name"], " × ".join(str(length) for length in detector["shape"]) + " pixels")
        for detector in record["detectors"]
    ]
    geometry = [
        (item["detector"], f"{item['file']}, sha256 {item['sha256']}")
        for item in record["geometry"]
    ]
    qmap = record["qmap"]
    groups: list[tuple[str, list[tuple[str, Any]]]] = [
        (
            "Experiment",
            [
                ("Title", experiment["title"]),
                ("Facility", experiment["facility"]),
                ("Type of facility", experiment["facility_type"]),
                ("Beamline", experiment["beamline"]),
                ("Proposal", experiment["proposal"]),
                ("Cycle", experiment["cycle"]),
                ("Sample", record["sample"]),
            ],
        ),
        (
            "Measurement",
            [
                ("Started", shown_time(times["run_start"])),
                ("Ended", shown_time(times["run_end"])),
                ("Energy", _quantity(record["energy"])),
                ("Exposure time", _quantity(record["exposure_time"])),
                ("Frames", f"{record['frames']:,}"),
                ("q range", _range(record["q_range"])),
            ],
        ),
        ("Detectors", detectors),
        ("Geometry", geometry),
        ("q-map", [(key, qmap[key]) for key in ("name", "key", "sha256")] if qmap else []),
        ("Run table", list(record["metadata"]["run_table"].items())),
        (
            "Citation",
            [
                ("Creators", [creator["name"] for creator in datacite["creators"]]),
                ("Publisher", datacite["publisher"]),
                ("Year", str(datacite["publicationYear"])),
                ("Type", datacite["types"]["resourceType"]),
                ("Subjects", [subject["subject"] for subject in datacite["subjects"]]),
                ("Described", shown_time(times["described"])),
            ],
        ),
    ]
    return [
        (name, [(label, shown(value)) for label, value in rows]) for name, rows in groups if rows
    ]


def _masks(record: dict[str, Any]) -> list[dict[str, str]]:
    names = ("detector", "name", "version", "uid", "sha256")
    return [{name: shown(mask[name]) for name in names} for mask in record["masks"]]


def _step(step: dict[str, Any]) -> dict[str, str]:
    seconds = step["seconds"]
    return {
        "rule": step["rule"],
        "started": shown_time(step["started"]),
        "finished": shown_time(step["finished"]),
        "seconds": shown(None) if seconds is None else f"{seconds:.1f} s",
        "jobs": shown(step.get("jobs")),
        "host_kind": shown(step["host_kind"]),
    }


def _processing(processing: dict[str, Any]) -> list[tuple[str, Rows]]:
    raw: Rows = [
        ("Raw files", f"{processing['raw_files']:,}"),
        ("Raw data", shown_size(processing["raw_bytes"])),
        ("Configuration, sha256", shown(processing["configuration_sha256"])),
    ]
    return [
        ("Input", raw),
        ("Software", list(_flat_rows(processing["software"]))),
        ("Parameters", list(_flat_rows(processing["parameters"]))),
    ]


def _flat_rows(value: dict[str, Any]) -> Iterator[tuple[str, str]]:
    return ((name, shown(item)) for name, item in flat(value))


def _quantity(quantity: dict[str, Any] | None) -> str:
    if quantity is None or quantity["value"] is None:
        return shown(None)
    return f"{shown(quantity['value'])} {shown_unit(quantity['unit'])}"


def _range(span: dict[str, Any] | None) -> str:
    if span is None:
        return shown(None)
    return f"{shown(span['low'])} to {shown(span['high'])} {shown_unit(span['unit'])}"
