"""`fits:` and `figures:` of a reduction - models fitted to profiles, figures of merit, per frame."""

from __future__ import annotations

import keyword
import re
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from scatterflow.config.base import MERGED, Exponent, Model, Name, Number, Pair, Text, refuse_alike
from scatterflow.config.expressions import CONSTANTS, FUNCTIONS, REDUCTIONS
from scatterflow.errors import shortened, suggestion
from scatterflow.kernels.profile_models import MODELS, PEAKS
from scatterflow.units import check_unit

_VALUE_PATTERN = r"[A-Za-z][A-Za-z0-9_]{0,39}"
_VALUE = re.compile(_VALUE_PATTERN + r"\Z")
_TAKEN = {*FUNCTIONS, *REDUCTIONS, *CONSTANTS}


def _check_characters(name: str) -> str:
    """A name, or part of one, that an expression can use; raises ValueError."""
    if not _VALUE.match(name):
        raise ValueError(
            f"{shortened(name)} cannot be the name of a value: use 1 to 40 of the characters A-Z a-z "
            "0-9 _ and start with a letter, so that expressions can use it"
        )
    return name


def _check_meaning(name: str) -> str:
    """A name that means nothing else in expressions; raises ValueError."""
    if name in _TAKEN or keyword.iskeyword(name):
        raise ValueError(f"{name!r} has a meaning in expressions: choose another name")
    return name


def _checked_unit(unit: str) -> str:
    check_unit(unit)
    return unit


_VALUE_SCHEMA = WithJsonSchema({"type": "string", "pattern": f"^{_VALUE_PATTERN}$"})
PartName = Annotated[str, AfterValidator(_check_characters), _VALUE_SCHEMA]
ValueName = Annotated[
    str, AfterValidator(_check_characters), AfterValidator(_check_meaning), _VALUE_SCHEMA
]
Unit = Annotated[Text, AfterValidator(_checked_unit)]


class ProfilePart(Model):
    """What fits and figures of merit have in common: the profile that they are made from."""

    integration: Name
    """The integration whose profiles are used: azimuthal, I(q), or radial, I(chi)."""
    detector: Name | None = None
    """The detector; may be left out where the integration is done on one detector only."""
    range: Pair | None = None
    """Lowest and highest value on the profile's axis, in its unit; left out: all of it."""

    @model_validator(mode="after")
    def _range_ascends(self) -> ProfilePart:
        if self.range is not None and not self.range[0] < self.range[1]:
            raise ValueError(
                f"range: the first value must be below the second, got {list(self.range)}"
            )
        return self

    def value_names(self, name: str) -> list[str]:
        """Names of the values per frame of the fit or figure called `name`."""
        return [name]


class FitParameter(Model):
    """One parameter of a component: where the fit begins, and what it may become."""

    initial: Number | None = None
    """Value that the fit begins with, the same for every frame; left out: estimated from each frame."""
    minimum: Number | None = None
    """Lowest value; a fit that ends there has failed."""
    maximum: Number | None = None
    """Highest value; a fit that ends there has failed."""
    fixed: bool = False
    """Keep the parameter at `initial`."""

    @model_validator(mode="after")
    def _limits_fit(self) -> FitParameter:
        low = -float("inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        if not low < high:
            raise ValueError(f"minimum: must be below the maximum, got {low:g} and {high:g}")
        if self.fixed and self.initial is None:
            raise ValueError("fixed: a fixed parameter needs `initial`")
        if self.initial is not None and not low <= self.initial <= high:
            raise ValueError(f"initial: {self.initial:g} is not between minimum and maximum")
        return self


class FitComponent(Model):
    """One term of a model; the model is the sum of its components."""

    model: Literal[
        "gaussian",
        "lorentzian",
        "pseudo_voigt",
        "constant",
        "linear",
        "quadratic",
        "power_law",
        "exponential",
    ]
    """`gaussian`, `lorentzian`: amplitude (height), centre, width (full width at half maximum);
    `pseudo_voigt`: fraction (of the Lorentzian) as well; `constant`: value; `linear`: intercept + slope x;
    `quadratic`: + curvature x^2; `power_law`: scale x^-exponent; `exponential`: scale exp(-rate x)."""
    name: PartName | None = None
    """Name of the component in the results; left out: the model, with a number if there are several."""
    parameters: dict[str, FitParameter] = Field(default={})
    """Start values and limits, by the name of the parameter."""

    @model_validator(mode="after")
    def _parameters_exist(self) -> FitComponent:
        known = MODELS[self.model].parameters
        for name in self.parameters:
            if name not in known:
                raise ValueError(
                    f"parameters: {self.model} has no parameter {name!r}: {suggestion(name, known)}"
                )
        return self


class Fit(ProfilePart):
    """A model, fitted to every frame's profile by weighted least squares."""

    components: Annotated[list[FitComponent], Field(min_length=1, max_length=20)]
    """The terms that are added up. Peaks without `initial` centre are found in each frame; where there are
    several, they are taken in the order of their centres."""
    model_error: Annotated[float, Field(ge=0, lt=1), Exponent] = 0.0
    """How well the model describes the profile, as a part of its highest less its lowest intensity; added to
    the standard errors in quadrature. 0.02 keeps the tails of strong peaks, where counting statistics are
    better than any model, from deciding over the centre."""

    @model_validator(mode="after")
    def _names_differ(self) -> Fit:
        counts = Counter(name.lower() for name in self.component_names())
        for name, count in counts.items():
            if count > 1:
                raise ValueError(f"components: {count} are named {name!r}: rename them")
        return self

    def component_names(self) -> list[str]:
        """Names of the components: as given, or the model, with a number if there are several."""
        unnamed = Counter(item.model for item in self.components if item.name is None)
        seen: Counter[str] = Counter()
        names = []
        for item in self.components:
            seen[item.model] += item.name is None
            number = f"_{seen[item.model]}" if unnamed[item.model] > 1 else ""
            names.append(item.name or f"{item.model}{number}")
        return names

    def value_names(self, name: str) -> list[str]:
        values = []
        for title, item in zip(self.component_names(), self.components, strict=True):
            area = ("area",) if item.model in PEAKS else ()
            parameters = (*MODELS[item.model].parameters, *area)
            values += [f"{name}_{title}_{parameter}" for parameter in parameters]
        return [*values, f"{name}_reduced_chi_square"]


class Integral(ProfilePart):
    """Area under the profile, interpolated over bins without pixels."""

    type: Literal["integral"]
    """Area under the profile."""
    subtract: Literal["none", "linear"] = "none"
    """`linear`: subtract the straight line through the outermost bins of the range, a tenth on each side."""


class Centroid(ProfilePart):
    """Mean position, weighted with the intensity."""

    type: Literal["centroid"]
    """Mean position, weighted with the intensity."""
    subtract: Literal["none", "linear"] = "linear"
    """`linear`: subtract the straight line through the outermost bins of the range, a tenth on each side."""


class Maximum(ProfilePart):
    """Highest intensity of any bin."""

    type: Literal["maximum"]
    """Highest intensity of any bin."""


class PeakPosition(ProfilePart):
    """Vertex of the parabola through the top quarter of the highest peak; for overlapping or weak peaks a fit
    is better."""

    type: Literal["peak_position"]
    """Vertex of the parabola through the top of the peak."""


class Guinier(ProfilePart):
    """Guinier's law I = I0 exp(-q^2 Rg^2 / 3): `NAME_rg` and `NAME_i0`."""

    type: Literal["guinier"]
    """Radius of gyration and forward intensity."""
    limit: Annotated[float, Field(gt=0, le=5), Exponent] = 1.3
    """Largest valid q Rg (1.3 for globular particles); beyond it the frame fails. `NAME_qrg_max` tells."""
    iterate: bool = False
    """Lower the upper end of the range, frame by frame, until q Rg keeps to the limit."""

    def value_names(self, name: str) -> list[str]:
        return [f"{name}_rg", f"{name}_i0", f"{name}_qrg_max"]


class Porod(ProfilePart):
    """Porod's law, constant q^-exponent + background: `NAME_constant`, `NAME_exponent`, `NAME_background`."""

    type: Literal["porod"]
    """Power law at large q."""
    exponent: Literal["fit"] | Annotated[float, Field(gt=0, le=10), Exponent] = 4.0
    """The exponent (4: smooth surfaces), or `fit`."""
    background: Literal["fit", "none"] = "fit"
    """Fit a constant background, or take none."""

    def value_names(self, name: str) -> list[str]:
        exponent = [f"{name}_exponent"] if self.exponent == "fit" else []
        background = [f"{name}_background"] if self.background == "fit" else []
        return [f"{name}_constant", *exponent, *background]


class Calculated(Model):
    """A value computed from scalars, fits and other figures."""

    type: Literal["expression"]
    """A value computed from others, frame by frame."""
    expression: Annotated[Text, Field(min_length=1)]
    """Arithmetic over scalars, `FIT_COMPONENT_PARAMETER` and figures. Errors are propagated as if these were
    independent; with a function over all frames (of those that have a value) there are none."""
    unit: Unit = ""
    """Unit of the value; empty: dimensionless."""

    def value_names(self, name: str) -> list[str]:
        """Names of the values per frame of the figure called `name`."""
        return [name]


FIGURE_TYPES: dict[str, type[ProfilePart]] = {
    "integral": Integral,
    "centroid": Centroid,
    "maximum": Maximum,
    "peak_position": PeakPosition,
    "guinier": Guinier,
    "porod": Porod,
}
"""Figures of merit that are made from a profile."""

FigureOfMerit = Annotated[
    Integral | Centroid | Maximum | PeakPosition | Guinier | Porod | Calculated,
    Field(discriminator="type"),
]
Fits = Annotated[dict[ValueName, Fit], Field(default={})]
Figures = Annotated[dict[ValueName, FigureOfMerit], Field(default={})]


def check_analysis(
    fits: Mapping[str, Fit], figures: Mapping[str, Any], integrations: Mapping[str, Any]
) -> None:
    """Check what fits and figures refer to and how they are called; raises ValueError."""
    refuse_alike([*fits, *figures], "the fits and figures")
    named = {name: f"fits.{name}" for name in fits} | {name: f"figures.{name}" for name in figures}
    produced: dict[str, str] = {}
    for key, part in [(f"fits.{n}", f) for n, f in fits.items()] + [
        (f"figures.{n}", f) for n, f in figures.items()
    ]:
        if isinstance(part, ProfilePart):
            _check_profile(key, part, integrations)
        own = key.split(".")[1]
        values = part.value_names(own)
        for value in [*values, *(f"{value}_errors" for value in values), f"{own}_success"]:
            other = produced.setdefault(value.lower(), key)
            if other != key or (value in named and named[value] != key):
                clash = other if other != key else named[value]
                raise ValueError(f"{key}: {clash} has a value {value!r} as well: rename one")


def _check_profile(key: str, part: ProfilePart, integrations: Mapping[str, Any]) -> None:
    profiles = [name for name, item in integrations.items() if item.kind != "cake"]
    if part.integration not in profiles:
        what = "is a cake" if part.integration in integrations else "is no integration"
        raise ValueError(
            f"{key}.integration: {part.integration!r} {what}: {suggestion(part.integration, profiles)}"
        )
    integration = integrations[part.integration]
    if integration.merge and part.detector not in (None, MERGED):
        raise ValueError(
            f"{key}.detector: integration {part.integration!r} joins its detectors: leave it out"
        )
    named = None if integration.merge else integration.detectors
    if part.detector is not None and named is not None and part.detector not in named:
        raise ValueError(
            f"{key}.detector: integration {part.integration!r} does not use {part.detector!r}: "
            f"{suggestion(part.detector, named)}"
        )
    if isinstance(part, Guinier | Porod) and not (
        integration.kind == "azimuthal" and integration.unit.startswith("q_")
    ):
        raise ValueError(f"{key}: {part.type} needs an azimuthal integration in q")
    power_law = isinstance(part, Porod) or (
        isinstance(part, Fit) and any(item.model == "power_law" for item in part.components)
    )
    if power_law and not (part.range is not None and part.range[0] > 0):
        raise ValueError(f"{key}.range: a power law needs a range that begins above 0")
