"""What the values of a CHAP configuration have to be, before anything is translated: types, no meanings.

Keys that CHAP has and this page has not are let through; whether they are translated is decided later.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from scatterflow.errors import UserError, shortened


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed")
    return value


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


Number = Annotated[float, BeforeValidator(_no_truth_value)]
Count = Annotated[int, BeforeValidator(_no_truth_value)]
Pair = Annotated[list[Number], Field(min_length=2, max_length=2)]
Names = Annotated[list[str], BeforeValidator(_as_list)]
Numbers = Annotated[list[str], BeforeValidator(_as_list)]


class _Chap(BaseModel):
    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True, allow_inf_nan=False)


class PointData(_Chap):
    """A value for each point."""

    label: str | None = None
    units: str | None = None
    name: str | None = None
    data_type: str | None = None


class Sample(_Chap):
    """The sample."""

    name: str | None = None
    description: str | None = None


class SpecScans(_Chap):
    """Scans of a SPEC file."""

    spec_file: str | None = None
    scan_numbers: Numbers | None = None
    par_file: str | None = None


PointDatas = Annotated[list[PointData], BeforeValidator(_as_list)]


class Map(SpecScans):
    """A MapConfig."""

    title: str | None = None
    station: str | None = None
    sample: Sample | None = None
    spec_scans: Annotated[list[SpecScans], BeforeValidator(_as_list)] | None = None
    independent_dimensions: PointDatas | None = None
    scalar_data: PointDatas | None = None
    presample_intensity: PointData | None = None
    postsample_intensity: PointData | None = None
    dwell_time_actual: PointData | None = None
    attrs: dict[str, Any] | None = None


class Parameters(_Chap):
    """Arguments of pyFAI's AzimuthalIntegrator."""

    dist: Number | None = None
    poni1: Number | None = None
    poni2: Number | None = None
    rot1: Number | None = None
    rot2: Number | None = None
    rot3: Number | None = None
    pixel1: Number | None = None
    pixel2: Number | None = None
    detector: str | None = None
    wavelength: Number | None = None


class Integrator(_Chap):
    """Geometry and mask of a detector."""

    id: str | None = None
    name: str | None = None
    poni_file: str | None = None
    params: Parameters | None = None
    mask_file: str | None = None


class MultiGeometry(_Chap):
    """Arguments of pyFAI's MultiGeometry."""

    ais: Names | None = None
    unit: str | None = None
    radial_range: Pair | None = None
    azimuth_range: Pair | None = None
    chi_disc: Number | None = None
    empty: Number | None = None
    wavelength: Number | None = None


class IntegrationParameters(_Chap):
    """Arguments of the integration itself."""

    ais: Names | None = None
    npt: Count | None = None
    npt_rad: Count | None = None
    npt_azim: Count | None = None
    method: str | list[str] | None = None
    error_model: str | None = None
    unit: str | None = None
    radial_unit: str | None = None
    radial_range: Pair | None = None
    azimuth_range: Pair | None = None


class Integration(_Chap):
    """One integration."""

    name: str | None = None
    integration_method: str | None = None
    multi_geometry: MultiGeometry | None = None
    integration_params: IntegrationParameters | None = None
    right_handed: bool | None = None
    input_name: str | None = None


class Pyfai(_Chap):
    """A PyfaiIntegrationConfig."""

    azimuthal_integrators: Annotated[list[Integrator], Field(min_length=1)]
    integrations: Annotated[list[Integration], Field(min_length=1)]


class Detector(_Chap):
    """Shape of a detector."""

    id: str | None = None
    name: str | None = None
    shape: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None


class Slice(_Chap):
    """Frames start, start + step, ... before stop."""

    start: Count | None = None
    stop: Count | None = None
    step: Annotated[int, BeforeValidator(_no_truth_value), Field(ge=1)] | None = None


class Background(SpecScans):
    """Scans of the background, and which of their frames."""

    spec_scans: Annotated[list[SpecScans], BeforeValidator(_as_list)] | None = None
    idx_slice: Slice | None = None
    scan_step_indices: Numbers | None = None


class Correction(_Chap):
    """One correction."""

    correction_type: str | None = None
    name: str | None = None
    title: str | None = None
    input_data_name: Names | None = None
    uncorrected_data_name: Names | None = None
    uncorrected_data_title: Names | None = None
    presample_intensity_reference_rate: Number | None = None
    background: Background | None = None
    sample_thickness_cm: Number | None = None
    sample_mu_inv_cm: Number | None = None


class FitParameter(_Chap):
    """One parameter of a model of lmfit; `.inf` is no limit."""

    model_config = ConfigDict(extra="allow", coerce_numbers_to_str=True)
    name: str
    value: Number | None = None
    min: Number | None = None
    max: Number | None = None
    vary: bool | None = None
    expr: str | None = None


class FitModel(_Chap):
    """One term of a model."""

    model: str
    parameters: list[FitParameter] | None = None
    centers: list[Number] | None = None
    centers_range: Number | None = None
    fit_type: str | None = None
    fwhm_min: Number | None = None
    fwhm_max: Number | None = None
    peak_models: str | None = None


def _model_of_a_word(value: Any) -> Any:
    return [{"model": item} if isinstance(item, str) else item for item in _as_list(value) or []]


class Fit(_Chap):
    """One fit."""

    name: str | None = None
    title: str | None = None
    input_data_name: str | None = None
    models: Annotated[list[FitModel], BeforeValidator(_model_of_a_word)] | None = None


def checked(model: type[BaseModel], value: Any, where: str) -> dict[str, Any]:
    """A value with the types of a model, keys that were not given or are null left out.

    Raises UserError naming the first key whose value cannot be meant.
    """
    try:
        found = model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise UserError(
            f"{shortened(first['input'])} cannot be meant: {message}",
            f"{where}, key {key}" if key else where,
            "correct it, as CHAP would have it",
        ) from None
    return found.model_dump(exclude_none=True)
