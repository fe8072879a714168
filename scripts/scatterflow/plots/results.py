"""What the figures read from a result file (`result.nxs`).

Layout: frame sums in /entry/instrument/<detector>, profiles and cakes in
/entry/<detector>_<integration>/{data,mean}, per-frame scalars in /entry/scalars.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading

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


@dataclass(frozen=True)
class Scalar:
    """One value per frame, NaN where unknown."""

    name: str
    values: np.ndarray
    unit: str


@dataclass(frozen=True)
class Factor:
    """What a correction takes per frame. values, errors: (frames,), errors None where not known."""

    name: str
    meaning: str
    values: np.ndarray
    errors: np.ndarray | None
    unit: str


def read_frame_sum(result_path: str | Path, detector: str) -> FrameSum:
    """Mean frame, mask and beam centre of a detector; raises UserError if they are not there."""
    with _open(result_path) as file:
        instrument = _member(file["entry"], "instrument")
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
        total = _read(group, "frame_sum")
        count = _read(group, "valid_count")
        masked = _read(group, "pixel_mask") != 0
        if total.ndim != 2 or not total.shape == count.shape == masked.shape:
            raise UserError(
                f"frame_sum {total.shape}, valid_count {count.shape} and pixel_mask "
                f"{masked.shape} do not fit together",
                f"{result_path}, {group.name}",
                "delete the result and run snakemake again",
            )
        beam = tuple(
            float(_read(group, name)) if name in group else np.nan
            for name in ("beam_center_x", "beam_center_y")
        )
        valid = (count > 0) & ~masked
        mean = np.full(total.shape, np.nan)
        np.divide(total, count, out=mean, where=valid)
        return FrameSum(
            heading=_heading(file),
            mean=mean,
            masked=masked,
            never_valid=(count == 0) & ~masked,
            frames=int(count.max(initial=0)),
            beam=(beam[0], beam[1]) if np.isfinite(beam).all() else None,
            unit=_attribute(group["frame_sum"], "units"),
        )


def read_integration(
    result_path: str | Path, detector: str, integration: str, kinds: tuple[str, ...]
) -> Integration:
    """Axes and labels of one integration; raises UserError if it is missing or of another kind."""
    with _open(result_path) as file:
        group = _subentry(file, detector, integration)
        kind = _attribute(group, "kind")
        if kind not in kinds:
            raise UserError(
                f"integration {integration!r} is of kind {kind!r}; this plot needs "
                f"{' or '.join(kinds)}",
                f"{result_path}, {group.name}",
                "plot it by the rule for its kind",
            )
        data = _member(group, "data")
        names = {
            "azimuthal": ("radial_axis",),
            "radial": ("azimuthal_axis",),
            "cake": ("azimuthal_axis", "radial_axis"),
        }[kind]
        axes = tuple(_axis(data, name) for name in names)
        signal = _member(data, "I")
        expected = (signal.shape[0], *(axis.values.size for axis in axes))
        if signal.shape != expected:
            raise UserError(
                f"intensity of shape {signal.shape} on axes of shape {expected}",
                f"{result_path}, {signal.name}",
                "delete the result and run snakemake again",
            )
        label = _attribute(signal, "intensity_label")
        unit = _attribute(signal, "units")
        label = label or (f"intensity ({unit})" if unit else "intensity (arbitrary units)")
        return Integration(_heading(file), kind, axes, signal.shape[0], label)


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
    with _open(result_path) as file:
        mean = _member(_subentry(file, detector, integration), stage)
        intensity = _read(mean, "I")
        errors = _read(mean, "I_errors") if "I_errors" in mean else np.full(intensity.shape, np.nan)
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
    with _open(result_path) as file:
        group = _subentry(file, detector, integration)
        return {
            name: _attribute(_member(group[name], "I"), "intensity_label")
            for name in ("uncorrected", "normalised", "background", "mean")
            if name in group
        }


def read_factors(result_path: str | Path) -> tuple[str, list[Factor]]:
    """Heading, and what corrections take per frame: monitors before and behind the sample, transmission,
    thickness, as far as there are."""
    found = []
    with _open(result_path) as file:
        entry = file["entry"]
        scalars = _member(entry, "scalars")
        steps = {name.split("_", 2)[-1]: name for name in entry if name.startswith("process_")}
        for step, meaning in (("flux", "before the sample"), ("absorption", "behind the sample")):
            if step in steps:
                name = _member(entry[steps[step]], "input/monitor")[()].decode()
                unit = _attribute(_member(scalars, name), "units")
                values = _read(scalars, name).astype(np.float64)
                found.append(Factor(name, meaning, values, None, unit))
        for step, name in (("absorption", "transmission"), ("thickness", "thickness")):
            if step in steps:
                group = entry[steps[step]]
                values, errors = _read(group, name), _read(group, f"{name}_errors")
                unit = _attribute(group[name], "units")
                found.append(Factor(name, "", values, errors, unit))
        return _heading(file), found


def read_norm(
    result_path: str | Path, detector: str, integration: str, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Effective number of pixels of each bin, None if the result does not say.

    shape: as the axes have it; anything else raises UserError.
    """
    with _open(result_path) as file:
        data = _member(_subentry(file, detector, integration), "data")
        if "norm" not in data:
            return None
        norm = _read(data, "norm").astype(np.float64)
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
    with _open(result_path) as file:
        signal = _member(_member(_subentry(file, detector, integration), "data"), "I")
        groups = int(group_of_frame.max(initial=-1)) + 1
        total = np.zeros((groups, *signal.shape[1:]))
        count = np.zeros(total.shape, dtype=np.int64)
        step = max(1, BLOCK_BYTES // max(1, 8 * int(np.prod(signal.shape[1:]))))
        for start in range(0, signal.shape[0], step):
            block = _slice(signal, start, start + step)
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
    with _open(result_path) as file:
        data = _member(_subentry(file, detector, integration), "data")
        intensity = _member(data, "I")[frames]
        errors = data["I_errors"][frames] if "I_errors" in data else np.full_like(intensity, np.nan)
        return intensity, errors


def read_scalars(result_path: str | Path) -> tuple[str, list[Scalar]]:
    """Heading and all numeric per-frame scalars in name order, `frame_number` first."""
    with _open(result_path) as file:
        group = _member(file["entry"], "scalars")
        scalars = [
            Scalar(name, _read(group, name).astype(np.float64), _attribute(item, "units"))
            for name, item in group.items()
            if isinstance(item, h5py.Dataset) and item.ndim == 1 and item.dtype.kind in "biuf"
        ]
        if not any(scalar.name == "frame_number" for scalar in scalars):
            _member(group, "frame_number")
        lengths = {scalar.values.size for scalar in scalars}
        if len(lengths) > 1:
            raise UserError(
                f"scalars of different lengths: {', '.join(map(str, sorted(lengths)))}",
                f"{result_path}, {group.name}",
                "delete the result and run snakemake again",
            )
        scalars.sort(key=lambda scalar: (scalar.name != "frame_number", scalar.name))
        return _heading(file), scalars


def scanned(scalars: list[Scalar], name: str | None, path: str | Path) -> Scalar:
    """The scalar that values are drawn over (None: the frame number); raises UserError without it."""
    by_name = {scalar.name: scalar for scalar in scalars}
    wanted = name or "frame_number"
    if wanted not in by_name:
        raise UserError(
            f"no scalar {wanted!r} to plot over",
            f"{path}, /entry/scalars",
            suggestion(wanted, by_name),
        )
    return by_name[wanted]


def read_wavelength(result_path: str | Path, detector: str) -> float | None:
    """Wavelength of a detector's geometry in metres, None if the result does not say.

    Older results have one wavelength for all detectors, in the monochromator.
    """
    with _open(result_path) as file:
        for group in (detector, "monochromator"):
            field = file.get(f"entry/instrument/{group}/wavelength")
            if field is not None:
                return float(field[()]) * 1e-10  # written in angstrom
    return None


@contextmanager
def _open(path: str | Path) -> Iterator[h5py.File]:
    with reading(path) as file:
        _member(file, "entry")
        yield file


def _member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    if name not in group:
        raise UserError(
            f"{name!r} is missing in the result file",
            f"{group.file.filename}, {group.name}",
            "delete the result and run snakemake again",
        )
    return group[name]


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
    values = _read(data, name).astype(np.float64)
    attributes = data[name]
    return PlotAxis(
        values,
        _attribute(attributes, "long_name") or name,
        _attribute(attributes, "units"),
        _attribute(attributes, "pyfai_unit"),
    )


def _read(group: h5py.Group, name: str) -> np.ndarray:
    dataset = _member(group, name)
    return _slice(dataset, 0, dataset.shape[0]) if dataset.ndim else np.asarray(dataset[()])


def _slice(dataset: h5py.Dataset, start: int, stop: int) -> np.ndarray:
    try:
        return dataset[start:stop]
    except OSError as error:
        raise UserError(
            f"cannot be read ({error})",
            f"{dataset.file.filename}, {dataset.name}",
            "the file is damaged: delete the result and run snakemake again",
        ) from error


def _attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    value = item.attrs.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _heading(file: h5py.File) -> str:
    """`run, sample`, as far as the file says."""
    parts = []
    for name in ("entry_identifier", "sample/name"):
        if (item := file["entry"].get(name)) is not None:
            value = item[()]
            value = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
            parts.append(value)
    return " · ".join(part for part in parts if part) or Path(file.filename).parent.name
