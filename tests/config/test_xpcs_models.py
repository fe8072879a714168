"""Reductions of technique xpcs: what contradicts itself is refused before anything is read."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scatterflow.config.xpcs import PARAMETERS, CorrelationFit, XpcsReduction
from scatterflow.xpcs.models import model_of


def reduction(coordinate: str = "q", **settings) -> XpcsReduction:
    coordinates = [{"name": coordinate, "dynamic": {"bins": 3}}]
    return XpcsReduction(technique="xpcs", qmap={"coordinates": coordinates}, **settings)


FITS = {"simple": {"model": "single"}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fits": FITS, "diffusion": {}, "coordinate": "x"}, "needs dynamic bins of q"),
        ({"fits": FITS, "diffusion": {"fit": "simpel"}}, "'simpel' is not in `fits`"),
        ({"diffusion": {}}, "needs a fit"),
        ({"twotime": {"bins": [1, 4]}}, "no more than 3 bins, not 4"),
        ({"fits": {"maps": {"of": "twotime"}}}, "without `twotime`"),
        ({"fits": {"one": {"start": {"tua": 1.0}}}}, "did you mean 'tau'"),
        ({"fits": {"one": {"bounds": {"stretching": [0, 1]}}}}, "no parameter 'stretching'"),
        ({"fits": {"one": {"bounds": {"tau": [2, 1]}}}}, "must be below the second"),
    ],
)
def test_contradictions_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        reduction(**settings)


@pytest.mark.parametrize("heterodyne", [False, True])
@pytest.mark.parametrize("model", PARAMETERS)
def test_the_parameters_are_those_of_the_models(model, heterodyne):
    names = model_of(model, heterodyne).names
    fit = CorrelationFit(model=model, heterodyne=heterodyne, start=dict.fromkeys(names, 0.5))
    assert set(fit.start) == {"baseline", "contrast", *PARAMETERS[model]} | (
        {"dynamic_fraction"} if heterodyne else set()
    )
