"""Configurations of X-ray laser runs: what is wrong is told in one sentence of the user's words."""

from __future__ import annotations

import copy
import re
from typing import Any

import pytest
import yaml

from scatterflow.config.load import validate
from scatterflow.config.model import Configuration
from scatterflow.config.shots import RESERVED
from scatterflow.errors import UserError

TEXT = """
experiment: {title: t, facility: f, beamline: b}
sources:
  laser:
    format: sacla
    detectors: {ccd: [MPCCD-1, MPCCD-2]}
    scalars: {delay: delay, energy: {name: e, factor: 2}}
detectors:
  ccd: {shape: [8, 5], tiles: 2}
reductions:
  pump:
    technique: shots
    defaults: {facility: sacla, time_tool: {coefficients: [0, 1e-3]}, light: {laser: {required: [laser]}}}
    detectors:
      ccd:
        dark: {run: "1", rms: [1, 20]}
        calibration:
          adu_per_photon: 154
          gain_bits: {mask: 0xC000, modes: [0, 1, -1, 2]}
          common_mode: {steps: [[1, 0]], level_adu: 15}
        functions:
          ring: {kind: region, roi: [[0, 2], [0, 4], [0, 5]], functions: {inner: {kind: projection}}}
          hist: {kind: spectrum, range: [0, 10], bins: 5}
        sums: [calib, calib_dropped]
        statistics:
          mean: {kind: mean, filters: [pumped]}
          weighted: {kind: weighted_mean, weights: i0}
    variables:
      delay: {type: delay, nominal: scan/delay}
      i0: {type: expression, expression: ipm2_sum * 2}
    filters:
      pumped: {type: laser, state: on}
      both:
        type: all
        filters:
          - {type: range, variable: ipm2/sum, minimum: 0.1}
          - {type: not, filter: {type: laser, state: off}}
"""
PUMP = "reductions.pump"
CCD = f"{PUMP}.detectors.ccd"


@pytest.fixture
def data() -> dict[str, Any]:
    return copy.deepcopy(yaml.safe_load(TEXT))


def change(data: dict[str, Any], key: str, value: Any) -> None:
    """Set a dotted key; None: take it away."""
    *parents, last = key.split(".")
    node = data
    for part in parents:
        node = node[part]
    if value is None:
        del node[last]
    else:
        node[last] = value


def test_the_configuration_is_valid(data):
    found = validate(data, "c.yaml")
    assert isinstance(found, Configuration)
    reduction: Any = found.reductions["pump"]
    assert reduction.filters["pumped"].state == "on"  # YAML: true
    assert reduction.filters["both"].filters[1].filter.state == "off"
    assert list(reduction.statistic_filters()) == ["pumped"]
    assert set(reduction.statistic_variables()) == {"delay", "i0"}


def test_chunk_jobs_know_variables_only_if_statistics_use_them(data):
    statistics = data["reductions"]["pump"]["detectors"]["ccd"]["statistics"]
    statistics["mean"]["filters"] = []
    weighted: Any = validate(data, "c.yaml").reductions["pump"]
    assert set(weighted.statistic_variables()) == {"delay", "i0"}
    del statistics["weighted"]
    plain: Any = validate(data, "c.yaml").reductions["pump"]
    assert plain.statistic_variables() == {}


MISTAKES = [
    # unknown keys, with the nearest
    (f"{CCD}.functons", {}, "unknown key 'functons'", "did you mean 'functions'"),
    (f"{CCD}.calibration.adu_per_foton", 1, "unknown key 'adu_per_foton'", "adu_per_photon"),
    (f"{CCD}.functions.ring.rio", [[0, 1]], "unknown key 'rio'", "did you mean 'roi'"),
    (f"{PUMP}.filters.pumped.stat", "on", "unknown key 'stat'", "did you mean 'state'"),
    (f"{PUMP}.defaults.collumns", {}, "unknown key 'collumns'", "did you mean 'columns'"),
    ("sources.laser.scalar", {}, "unknown key 'scalar'", "did you mean 'scalars'"),
    # missing keys
    (f"{PUMP}.defaults", None, "the key is missing", f"{PUMP}.defaults"),
    (f"{PUMP}.defaults.facility", None, "the key is missing", "defaults.facility"),
    (f"{CCD}.dark.run", None, "the key is missing", f"{CCD}.dark.run"),
    (f"{CCD}.functions.ring.kind", None, "the key 'kind' is missing", f"{CCD}.functions.ring"),
    (f"{PUMP}.filters.pumped.type", None, "the key 'type' is missing", f"{PUMP}.filters.pumped"),
    (f"{PUMP}.variables.i0.expression", None, "the key is missing", "variables.i0.expression"),
    (f"{CCD}.calibration.common_mode.steps", None, "the key is missing", "common_mode.steps"),
    # wrong kinds and values
    (f"{CCD}.functions.ring.kind", "regoin", "unknown 'kind' 'regoin'", "did you mean 'region'"),
    (f"{CCD}.statistics.mean.kind", "meen", "unknown 'kind' 'meen'", "did you mean 'mean'"),
    (f"{PUMP}.filters.pumped.type", "lasr", "unknown 'type' 'lasr'", "did you mean 'laser'"),
    (f"{PUMP}.variables.delay.type", "dely", "unknown 'type' 'dely'", "did you mean 'delay'"),
    ("sources.laser.format", "saclla", "unknown 'format' 'saclla'", "did you mean 'sacla'"),
    (f"{PUMP}.defaults.facility", "sacle", "must be", "'sacla'"),
    (f"{PUMP}.filters.pumped.state", "maybe", "must be", "'on'"),
    (f"{CCD}.calibration.adu_per_photon", 0, "must be above 0", "adu_per_photon"),
    (f"{CCD}.dark.rms", [1], "rms", "dark"),
    (f"{CCD}.dark.fraction", 2, "must be at most 1", "fraction"),
    (f"{CCD}.functions.hist.step", 1, "give `range` with `bins` or `step`, or `edges`", "hist"),
    (f"{CCD}.functions.hist.range", [10, 0], "the first must be below the second", "hist"),
    (f"{CCD}.functions.ring.roi", [[2, 2]], "one after the last", "ring.roi"),
    (f"{CCD}.functions.pulse", {"kind": "integrate", "background": [9, 3]}, "one after the last", "pulse"),
    (f"{CCD}.functions.hist", {"kind": "spectrum", "edges": [1, 3, 2]}, "must ascend", "hist.edges"),
    (f"{CCD}.functions.az", {"kind": "azimuthal"}, "centre_mm", "az"),
    (f"{CCD}.sums", ["calib", "calib_droped"], "did you mean 'dropped'", "sums"),
    (f"{CCD}.sums", ["calib", "calib"], "one stands twice", "ccd"),
    (f"{CCD}.statistics.mean.filters", ["pumpd"], "there is no filter 'pumpd'", "did you mean 'pumped'"),
    (f"{PUMP}.variables.i0.expression", "2 *", r"bad expression '2 \*'", "variables.i0"),
    (f"{PUMP}.variables.delay.nominal", None, "give either `nominal` or `stage`", "delay"),
    (f"{PUMP}.filters.pumped", {"type": "range", "variable": "x"}, "give `minimum`, `maximum`", "pumped"),
    (
        f"{PUMP}.filters.pumped",
        {"type": "range", "variable": "x", "minimum": 2, "maximum": 1},
        "nothing lies between 2 and 1",
        "filters.pumped",
    ),
    (
        f"{CCD}.statistics.mean",
        {"kind": "quantiles", "low": 1, "high": 1},
        r"low \(1\) must be below high \(1\)",
        "statistics.mean",
    ),
    (f"{PUMP}.filters.both.filters", [], "must not be empty", "filters.both.filters"),
    # names that would be one in a file
    (
        f"{CCD}.functions.ring_inner",
        {"kind": "region"},
        "results of two functions would be called ring_inner_",
        "ccd",
    ),
    (f"{CCD}.functions.var_x", {"kind": "region"}, "list of variable length", "ccd"),
    (f"{CCD}.functions.Ring", {"kind": "region"}, "differ in case only", "ccd"),
    (f"{CCD}.statistics.sums", {"kind": "mean"}, "something else is called ccd_sums", "pump"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value", "what", "told"), MISTAKES)
def test_mistakes_are_told_in_one_sentence(data, key, value, what, told):
    change(data, key, value)
    with pytest.raises(UserError) as caught:
        validate(data, "c.yaml")
    text = str(caught.value)
    assert re.search(what, text)
    assert told in text
    assert caught.value.how
    assert "mistakes in the configuration" not in text or "azimuthal" in str(value)
    for word in (
        "pydantic",
        "Input should",
        "Value error",
        "tagged-union",
        "function-",
        "input_value",
    ):
        assert word not in text


@pytest.mark.parametrize("name", RESERVED)
def test_detectors_cannot_be_called_as_groups_of_the_file(data, name):
    block = data["reductions"]["pump"]["detectors"]
    block[name.title()] = block.pop("ccd")
    with pytest.raises(UserError, match="the small data file keeps something else"):
        validate(data, "c.yaml")


def test_statistics_of_two_detectors_in_one_place(data):
    block = data["reductions"]["pump"]["detectors"]
    block["ccd_a"] = {"statistics": {"b": {"kind": "mean"}}}
    block["ccd"]["statistics"]["a_b"] = {"kind": "mean"}
    with pytest.raises(UserError, match="something else is called ccd_a_b in the result"):
        validate(data, "c.yaml")


SOURCES = {
    "euxfel": {"format": "euxfel", "detectors": {"ccd": {"source": "A/{module}", "key": "image.data"}}},
    "smalldata": {"format": "smalldata", "file": "{raw}.h5"},
    "shot_hdf5": {"format": "shot_hdf5", "tags": "/tags", "detectors": {"ccd": {"data": "/d", "tags": "/t"}}},
    "psana": {"format": "psana", "experiment": "x", "detectors": {"ccd": "epix"}},
    "sacla_live": {"format": "sacla_live", "detectors": {"ccd": ["MPCCD-1"]}},
}  # fmt: skip


@pytest.mark.parametrize("name", SOURCES)
def test_recipes_hold_what_is_given(data, name):
    data["sources"]["laser"] = SOURCES[name]
    recipe = validate(data, "c.yaml").sources["laser"].recipe()
    assert recipe["format"] == name
    assert None not in recipe.values()
    for key, value in SOURCES[name].items():
        assert recipe[key] == value


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ({"format": "shot_hdf5"}, "key sources.laser.tags"),
        ({"format": "psana", "detectors": {"ccd": "epix"}}, "key sources.laser.experiment"),
        ({"format": "euxfel", "detectors": {"ccd": {"source": "A"}}}, "ccd"),
        ({"format": "sacla", "file": "/tmp/{raw}"}, "sources.laser.file"),
        ({"format": "sacla", "missing": "skip"}, "sources.laser.missing"),
        ({"format": "sacla_live", "beamline": 0, "detectors": {"ccd": "a"}}, "at least 1"),
    ],
)
def test_mistakes_of_sources(data, source, what):
    data["sources"]["laser"] = source
    with pytest.raises(UserError) as caught:
        validate(data, "c.yaml")
    assert what in str(caught.value)
    assert "Input should" not in str(caught.value)
