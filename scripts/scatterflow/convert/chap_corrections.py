"""CHAP's `corrections` as correction chains: one reduction for each that differs.

    corrections:
    - correction_type: flux_absorption_background      # flux, flux_absorption
      name: waxs_corrected
      input_data_name: waxs                            # an integration, a correction, a detector; or a list
      presample_intensity_reference_rate: 1.0e5
      background: {spec_file: spec/air, scan_numbers: 2, idx_slice: {start: 0, stop: 10}}
      sample_thickness_cm: 0.1                         # or sample_mu_inv_cm

The formulas are those of CHAP's documentation, (1/t) [ (1/T) I r/I0 - Ib r/I0b ]; its code differs in
places, which the notes name. All corrections are linear in the intensity, so those of frames are those
of what is integrated from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scatterflow.convert.chap_files import ChapConfiguration
from scatterflow.convert.chap_integrations import integration_name
from scatterflow.convert.chap_scans import Scan, read_scans, scan_numbers
from scatterflow.convert.notes import Notes
from scatterflow.errors import UserError, shortened, suggestion
from scatterflow.frame_selection import ranges_text

# A slice that ends far behind the frames means all of them.
MOST_FRAMES = 1_000_000
TYPES = ("flux", "flux_absorption", "flux_absorption_background")
INPUTS = ("input_data_name", "uncorrected_data_name", "uncorrected_data_title")
KNOWN = {
    *("correction_type", "name", "title", *INPUTS, "presample_intensity_reference_rate"),
    *("background", "sample_thickness_cm", "sample_mu_inv_cm"),
}


@dataclass
class Chain:
    """One reduction: its name, integrations, corrections (empty: none) and background scans; titles: what the
    corrections were called."""

    name: str
    integrations: list[str]
    corrections: dict[str, Any] = field(default_factory=dict)
    background: list[Scan] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)


def convert_corrections(
    chap: ChapConfiguration, integrations: list[str], scalars: dict[str, Any], notes: Notes
) -> list[Chain]:
    """The reductions: one without corrections for integrations that have none, one for each chain.

    integrations, scalars: names that there are. Raises UserError for a type or input that there is not.
    """
    items: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(chap.corrections, start=1):
        if items.setdefault(name := _name(item, number), item) != item:
            notes.lose(f"corrections[{number}]", f"there is a different {name!r} already")
    chains: list[Chain] = []
    for name, item in items.items():
        chain = _chain(chap, name, item, scalars, notes)
        chain.integrations = list(
            dict.fromkeys(_bases(name, item, items, chap, integrations, notes))
        )
        same = [
            other
            for other in chains
            if other.corrections == chain.corrections and other.background == chain.background
        ]
        if same:
            same[0].integrations = list(dict.fromkeys(same[0].integrations + chain.integrations))
            same[0].titles += chain.titles
        else:
            chains.append(chain)
    corrected = {name for chain in chains for name in chain.integrations}
    plain = [name for name in integrations if name not in corrected]
    return ([Chain("integrated", plain)] if plain else []) + chains


def _name(item: dict[str, Any], number: int) -> str:
    return str(item.get("name") or item.get("title") or f"correction_{number}")


def _bases(
    name: str,
    item: dict[str, Any],
    items: dict[str, dict[str, Any]],
    chap: ChapConfiguration,
    integrations: list[str],
    notes: Notes,
    above: tuple[str, ...] = (),
) -> Iterator[str]:
    """The integrations that a correction acts upon in the end."""
    if name in above:
        raise UserError("corrections that use each other", f"key corrections {name}", "undo it")
    given = next((item[key] for key in INPUTS if item.get(key)), None)
    detectors = [str(a.get("id") or a.get("name")) for a in chap.pyfai["azimuthal_integrators"]]
    for source in given if isinstance(given, list) else [given]:
        if source is not None and integration_name(str(source)) in integrations:
            yield integration_name(str(source))
        elif source in items and source != name:
            notes.change(
                f"corrections {name}.input_data_name",
                f"{source!r} is a correction: the chain is applied once, in its fixed order",
            )
            yield from _bases(
                source, items[source], items, chap, integrations, notes, (*above, name)
            )
        elif source in detectors:
            notes.change(
                f"corrections {name}.input_data_name",
                "frames are not corrected one by one, but what is integrated from them: the same by "
                "linearity",
            )
            yield from _integrations_of_frames(name, chap)
        else:
            raise UserError(
                f"there is no integration, correction or detector {source!r}",
                f"key corrections {name}.input_data_name",
                suggestion(str(source), {*integrations, *items, *detectors} - {name}),
            )


def _integrations_of_frames(name: str, chap: ChapConfiguration) -> Iterator[str]:
    for number, item in enumerate(chap.pyfai["integrations"], start=1):
        if item.get("input_name") == name:
            yield integration_name(str(item.get("name") or f"integration_{number}"))


def _chain(
    chap: ChapConfiguration,
    name: str,
    item: dict[str, Any],
    scalars: dict[str, Any],
    notes: Notes,
) -> Chain:
    key = f"corrections {name}"
    kind = item.get("correction_type")
    if kind not in TYPES:
        raise UserError(
            f"correction_type is {shortened(kind)}", f"key {key}", suggestion(str(kind), TYPES)
        )
    for other in sorted(set(item) - KNOWN):
        notes.lose(f"{key}.{other}", "not known")
    _need(scalars, "presample_intensity", key)
    block: dict[str, Any] = {"flux": _flux(item, scalars, key, notes)}
    scans: list[Scan] = []
    background = item.get("background")
    if isinstance(background, dict):
        scans = read_scans(chap, background, f"{key}.background", notes)
    if kind != "flux":
        _need(scalars, "postsample_intensity", key)
        block["absorption"] = _absorption(bool(scans), key, notes)
    if kind == "flux_absorption_background":
        if not scans:
            raise UserError("there is no background", f"key {key}", "name its spec_file and scans")
        block["background"] = _background(background or {}, scans, key, notes)
    block |= _thickness(item, key, notes)
    return Chain(integration_name(name), [], block, scans, [name])


def _need(scalars: dict[str, Any], monitor: str, key: str) -> None:
    if monitor not in scalars:
        raise UserError(
            f"the correction needs {monitor}",
            f"key {key}",
            f"add {monitor} to the map configuration",
        )


def _flux(item: dict[str, Any], scalars: dict[str, Any], key: str, notes: Notes) -> dict[str, Any]:
    block: dict[str, Any] = {"monitor": "presample_intensity"}
    if "dwell_time_actual" in scalars:
        block["dwell_time"] = "dwell_time_actual"
    rate = item.get("presample_intensity_reference_rate")
    if rate is not None:
        block["reference"] = float(rate)
        if "dwell_time_actual" not in scalars:
            notes.change(
                f"{key}.presample_intensity_reference_rate",
                "without dwell_time_actual it is taken for a reading, not for a rate",
            )
    else:
        notes.change(
            f"{key}.presample_intensity_reference_rate",
            "was left out: mean(I0) / mean(t) over the whole run, as CHAP documents; its code takes "
            "mean(I0 / t) over each chunk, so that results depend on the chunks",
        )
    return block


def _absorption(has_background: bool, key: str, notes: Notes) -> dict[str, Any]:
    block: dict[str, Any] = {"monitor": "postsample_intensity"}
    if has_background:
        notes.change(
            key,
            "T = (I1/I0) / (I1b/I0b), the background's readings added up over all its frames; CHAP "
            "averages their ratios, over its last scan and without its last point",
        )
    else:
        block["reference"] = 1.0
        notes.change(key, "there is no background: T = I1/I0, as if the monitors were alike")
    return block


def _background(
    background: dict[str, Any], scans: list[Scan], key: str, notes: Notes
) -> dict[str, Any]:
    frames = _selection(background, scans, f"{key}.background", notes)
    if len(scans) > 1:
        notes.change(
            f"{key}.background", "scans are weighted by their monitor; CHAP's mean is unweighted"
        )
    return {"frames": frames} if frames else {"scale": 1.0}


def _selection(background: dict[str, Any], scans: list[Scan], key: str, notes: Notes) -> str:
    """Frames of the background, `0-9,15`; empty: all of them."""
    if background.get("scan_step_indices") is not None:
        steps = scan_numbers(background["scan_step_indices"], f"key {key}.scan_step_indices")
        return ranges_text(steps)
    limits = background.get("idx_slice") or {}
    start, step = int(limits.get("start") or 0), int(limits.get("step") or 1)
    stop = limits.get("stop")
    if start == 0 and step == 1 and stop in (None, -1):
        return ""
    frames = min((scan.frames for scan in scans if scan.frames), default=None)
    if stop in (None, -1) or int(stop) < 0 or start < 0:
        if frames is None:
            notes.lose(f"{key}.idx_slice", "the scan is not there yet; all of its frames are taken")
            return ""
        # CHAP takes -1 for the end of the frames.
        stop = frames if stop in (None, -1) else int(stop) + frames
        start += frames if start < 0 else 0
    chosen = range(max(start, 0), min(int(stop), frames or MOST_FRAMES), step)
    if not chosen:
        raise UserError("no frame is chosen", f"key {key}.idx_slice", "correct start and stop")
    return ranges_text(list(chosen))


def _thickness(item: dict[str, Any], key: str, notes: Notes) -> dict[str, Any]:
    cm, mu = item.get("sample_thickness_cm"), item.get("sample_mu_inv_cm")
    if cm is None and mu is None:
        return {}
    notes.change(
        f"{key}.{'sample_thickness_cm' if cm is not None else 'sample_mu_inv_cm'}",
        "both sample and background are divided by it, as documented; CHAP's code divides only the sample, "
        "and in setup and update it ignores the key",
    )
    if cm is not None:
        if mu is not None:
            notes.lose(f"{key}.sample_mu_inv_cm", "the thickness is given")
        return {"thickness": {"cm": float(cm)}}
    if item["correction_type"] == "flux":
        notes.lose(f"{key}.sample_mu_inv_cm", "without absorption there is no transmission")
        return {}
    notes.change(
        f"{key}.sample_mu_inv_cm", "t = -ln(T) / mu, as documented; CHAP's code has -ln(T / mu)"
    )
    return {"thickness": {"mu_per_cm": float(str(mu))}}
