"""What the figures read from a result file (`result.nxs`).

Layout: frame sums in /entry/instrument/<detector>, profiles and cakes in
/entry/<detector>_<integration>/{data,mean}. For numbers per frame see `scalars`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.plots.members import (
    heading,
    member,
    opened,
    read_array,
    read_rows,
    text_attribute,
)

BLOCK_BYTES = 64_000_000
"""Frames are read in blocks of about this size: a long series does not fit into memory."""


@dataclass(frozen=True)
class FrameSum:
    """Mean frame of a detector.

    mean: (rows, cols) float64, NaN where masked or never valid; unit: of one pixel in one frame.
    masked, never_valid: (rows, cols) bool. frames: most frames that any pixel was valid in.
    beam: (column, row) of the direct beam in pixels, centre of the first pixel (0, 0), or None.
    """

    heading: str
    mean: np.ndarray
    masked: np.ndarray
    never_valid: np.ndarray
    frames: int
    beam: tuple[float, float] | None
    unit: str


@dataclass(frozen=True)
class PlotAxis:
    """One axis: values, name and unit as in the file, pyFAI's unit where there is one.

    note: what the label says besides name and unit.
    """

    values: np.ndarray
    name: str
    unit: str
    pyfai_unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Integration:
    """Frame of one integration's figure.

    kind: azimuthal, radial or cake. axes: of one frame's data, slowest first.
    frames: number of frames. intensity_label: with its unit.
    """

    heading: str
    kind: str
    axes: tuple[PlotAxis, ...]
    frames: int
    intensity_label: str


def read_frame_sum(result_path: str | Path, detector: str) -> FrameSum:
    """Mean frame, mask and beam centre of a detector; raises UserError if they are not there."""
    with opened(result_path) as file:
        instrument = member(file["entry"], "instrument")
        known = [
            name
            for name, item in instrument.items()
            if isinstance(item, h5py.Group) and "frame_sum" in item
        ]
        if detector not in known:
            raise UserError(
                f"no frame sum of detector {detector!r}",
                f"{result_path}, /entry/instrument",
                suggestion(detector, known),
            )
        group = instrument[detector]
        total = read_array(group, "frame_sum")
        count = read_array(group, "valid_count")
        masked = read_array(group, "pixel_mask") != 0
        if total.ndim != 2 or not total.shape == count.shape == masked.shape:
            raise UserError(
                f"frame_sum {total.shape}, valid_count {count.shape} and pixel_mask "
                f"{masked.shape} do not fit together",
                f"{result_path}, {group.name}",
                "delete the result and run snakemake again",
            )
        beam = tuple(
            float(read_array(group, name)) if name in group else np.nan
            for name in ("beam_center_x", "beam_center_y")
        )
        valid = (count > 0) & ~masked
        mean = np.full(total.shape, np.nan)
        np.divide(total, count, out=mean, where=valid)
        return FrameSum(
            heading=heading(file),
            mean=mean,
            masked=masked,
            never_valid=(count == 0) & ~masked,
            frames=int(count.max(initial=0)),
            beam=(beam[0], beam[1]) if np.isfinite(beam).all() else None,
            unit=text_attribute(group["frame_sum"], "units"),
        )


def read_integration(
    result_path: str | Path, detector: str, integration: str, kinds: tuple[str, ...]
) -> Integration:
    """Axes and labels of one integration; raises UserError if it is missing or of another kind."""
    with opened(result_path) as file:
        group = _subentry(file, detector, integration)
        kind = text_attribute(group, "kind")
        if kind not in kinds:
            raise UserError(
                f"integration {integration!r} is of kind {kind!r}; this plot needs "
                f"{' or '.join(kinds)}",
                f"{result_path}, {group.name}",
                "plot it by the rule for its kind",
            )
        data = member(group, "data")
        names = {
            "azimuthal": ("radial_axis",),
            "radial": ("azimuthal_axis",),
            "cake": ("azimuthal_axis", "radial_axis"),
        }[kind]
        axes = tuple(_axis(data, name) for name in names)
        signal = member(data, "I")
        expected = (signal.shape[0], *(axis.values.size for axis in axes))
        if signal.shape != expected:
            raise UserError(
                f"intensity of shape {signal.shape} on axes of shape {expected}",
                f"{result_path}, {signal.name}",
                "delete the result and run snakemake again",
            )
        label = text_attribute(signal, "intensity_label")
        unit = text_attribute(signal, "units")
        label = label or (f"intensity ({unit})" if unit else "intensity (arbitrary units)")
        return Integration(heading(file), kind, axes, signal.shape[0], label)


def read_mean(
    result_path: str | Path,
    detector: str,
    integration: str,
    shape: tuple[int, ...],
    stage: str = "mean",
) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the frames of an integration and its standard error (NaN if not in the file).

    shape: of both, as the axes have it; anything else raises UserError. stage: `mean`, or the mean at
    another stage of the corrections, as `read_stages` lists them.
    """
    with opened(result_path) as file:
        mean = member(_subentry(file, detector, integration), stage)
        intensity = read_array(mean, "I")
        errors = (
            read_array(mean, "I_errors") if "I_errors" in mean else np.full(intensity.shape, np.nan)
        )
        if not intensity.shape == errors.shape == shape:
            raise UserError(
                f"mean of shape {intensity.shape} with errors of shape {errors.shape} on axes of "
                f"shape {shape}",
                f"{result_path}, {mean.name}",
                "delete the result and run snakemake again",
            )
        return intensity, errors


def read_stages(result_path: str | Path, detector: str, integration: str) -> dict[str, str]:
    """Stages of the corrections that a result holds means of, and the label of the intensity at each."""
    with opened(result_path) as file:
        group = _subentry(file, detector, integration)
        return {
            name: text_attribute(member(group[name], "I"), "intensity_label")
            for name in ("uncorrected", "normalised", "background", "mean")
            if name in group
        }


def read_norm(
    result_path: str | Path, detector: str, integration: str, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Effective number of pixels of each bin, None if the result does not say.

    shape: as the axes have it; anything else raises UserError.
    """
    with opened(result_path) as file:
        data = member(_subentry(file, detector, integration), "data")
        if "norm" not in data:
            return None
        norm = read_array(data, "norm").astype(np.float64)
        if norm.shape != shape:
            raise UserError(
                f"norm of shape {norm.shape} on axes of shape {shape}",
                f"{result_path}, {data.name}",
                "delete the result and run snakemake again",
            )
        return norm


def read_grouped_frames(
    result_path: str | Path, detector: str, integration: str, group_of_frame: np.ndarray
) -> np.ndarray:
    """Mean profile of each group of frames, (groups, bins), NaN where a group has no value.

    group_of_frame: (frames,) number of the group, 0..groups-1, that each frame belongs to.
    """
    with opened(result_path) as file:
        signal = member(member(_subentry(file, detector, integration), "data"), "I")
        groups = int(group_of_frame.max(initial=-1)) + 1
        total = np.zeros((groups, *signal.shape[1:]))
        count = np.zeros(total.shape, dtype=np.int64)
        step = max(1, BLOCK_BYTES // max(1, 8 * int(np.prod(signal.shape[1:]))))
        for start in range(0, signal.shape[0], step):
            block = read_rows(signal, start, start + step)
            finite = np.isfinite(block)
            block = np.where(finite, block, 0.0)
            for offset, group in enumerate(group_of_frame[start : start + step]):
                total[group] += block[offset]
                count[group] += finite[offset]
    mean = np.full(total.shape, np.nan)
    np.divide(total, count, out=mean, where=count > 0)
    return mean


def read_frames(
    result_path: str | Path, detector: str, integration: str, frames: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Profiles of some frames and their standard errors (NaN if not in the file), (frames, bins...).

    frames: numbers of the frames, increasing.
    """
    with opened(result_path) as file:
        data = member(_subentry(file, detector, integration), "data")
        intensity = member(data, "I")[frames]
        errors = data["I_errors"][frames] if "I_errors" in data else np.full_like(intensity, np.nan)
        return intensity, errors


def read_wavelength(result_path: str | Path, detector: str) -> float | None:
    """Wavelength of a detector's geometry in metres, None if the result does not say.

    Detectors that are merged have that of the monochromator.
    """
    with opened(result_path) as file:
        for group in (detector, "monochromator"):
            field = file.get(f"entry/instrument/{group}/wavelength")
            if field is not None:
                return float(field[()]) * 1e-10  # written in angstrom
    return None


def _subentry(file: h5py.File, detector: str, integration: str) -> h5py.Group:
    entry = file["entry"]
    name = f"{detector}_{integration}"
    known = [
        key
        for key, item in entry.items()
        if isinstance(item, h5py.Group) and "integration" in item.attrs
    ]
    if name not in known:
        raise UserError(
            f"no integration {integration!r} of detector {detector!r}",
            f"{file.filename}, /entry",
            suggestion(name, known),
        )
    return entry[name]


def _axis(data: h5py.Group, name: str) -> PlotAxis:
    values = read_array(data, name).astype(np.float64)
    attributes = data[name]
    return PlotAxis(
        values,
        text_attribute(attributes, "long_name") or name,
        text_attribute(attributes, "units"),
        text_attribute(attributes, "pyfai_unit"),
    )
