"""The configuration models: what is refused, and what the message says."""

from __future__ import annotations

import copy
from contextlib import suppress
from functools import reduce
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scatterflow.config.base import check_name, check_relative_path
from scatterflow.config.load import validate
from scatterflow.errors import UserError

HOSTILE_NAMES = [
    *("../x", "..", "a..b", ".", "", "/abs", "a/b", "a\\b", "~x", "-x", ".x", "_x", " x", "x "),
    *(
        "x\n",
        "x\ny",
        "x\0",
        "x\r",
        "\tx",
        "x" * 65,
        "x" * 300,
        "{run}",
        "a{b}",
        "a,b",
        "a b",
        "a:b",
    ),
    *(
        "ａ",
        "а1",
        "x\u200b",
        "x\u202e",
        "é",
        "٣",
        "x*",
        "x?",
        "$(x)",
        "`x`",
        "x;y",
        "x|y",
        "x'",
        'x"',
    ),
]
DELETE = object()


def changed(data: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """The configuration with the value at a key (`/` between parts) replaced or removed."""
    *parents, last = [int(part) if part.isdecimal() else part for part in key.split("/")]
    block = reduce(lambda node, part: node[part], parents, data)
    if value is DELETE:
        del block[last]
    else:
        block[last] = value
    return data


def refusal(data: dict[str, Any]) -> UserError:
    with pytest.raises(UserError) as caught:
        validate(data, "c.yaml")
    text = str(caught.value)
    assert text.startswith("error: ")
    assert "where: c.yaml" in text
    assert "mend:  " in text
    # The library's own words are not the user's.
    assert "Input should" not in text
    assert "pydantic" not in text
    return caught.value


def test_the_small_configuration_is_valid(data):
    configuration = validate(data, "c.yaml")
    assert configuration.raw == "raw"
    assert configuration.chunks.minutes == 5.0
    assert configuration.reductions["swaxs"].integrations["azimuthal"].unit == "q_nm^-1"
    assert configuration.detectors["saxs"].shape == (20, 30)


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_are_refused(name):
    with pytest.raises(ValueError, match="cannot be a name"):
        check_name(name)


@pytest.mark.parametrize("name", ["a", "0012", "lab6_SRM-660c", "v1.2", "X" * 64])
def test_usual_names_are_accepted(name):
    assert check_name(name) == name


def test_the_message_shows_a_long_or_unprintable_name_in_short():
    with pytest.raises(ValueError) as caught:
        check_name("x" * 10_000)
    assert len(str(caught.value)) < 200
    with pytest.raises(ValueError) as caught:
        check_name("a\nb\x1b[31m")
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize(
    "place",
    ["sources", "detectors", "reductions", "reductions/swaxs/integrations", "sources/tiff/scalars"],
)
def test_hostile_names_of_blocks_are_refused(data, place, name):
    block = reduce(lambda node, part: node[part], place.split("/"), data)
    block[name] = next(iter(block.values()))
    error = refusal(data)
    assert "cannot be a name" in str(error)


@pytest.mark.parametrize("name", HOSTILE_NAMES)
@pytest.mark.parametrize(
    "key",
    [
        "detectors/saxs/masks/1/name",
        "reductions/swaxs/axis",
        "reductions/swaxs/corrections/flux/monitor",
        "reductions/swaxs/integrations/azimuthal/detectors",
    ],
)
def test_hostile_names_in_values_are_refused(data, key, name):
    error = refusal(changed(data, key, [name] if key.endswith("detectors") else name))
    assert "cannot be a name" in str(error)


@pytest.mark.parametrize(
    "path",
    [
        "",
        " ",
        "/etc/passwd",
        "~/x",
        "../x",
        "a/../../x",
        "a/..",
        "x\n",
        "x\0y",
        "x\x7f",
        "x" * 501,
        "a\u2028b",
    ],
)
def test_paths_that_leave_the_raw_folder_are_refused(data, path):
    with pytest.raises(ValueError):
        check_relative_path(path)
    refusal(changed(data, "sources/tiff/frames/saxs", path))


@pytest.mark.parametrize("key", ["runs", "raw", "detectors/saxs/geometry", "detectors/saxs/dark"])
@pytest.mark.parametrize("path", ["", "  ", "a\0b", "a\nb", "x" * 501])
def test_paths_that_no_system_can_open_are_refused(data, key, path):
    error = refusal(changed(data, key, path))
    assert key.replace("/", ".") in error.where


def test_absolute_paths_are_fine_where_nothing_is_written(data):
    data["raw"] = "/data/visitor"
    data["detectors"]["saxs"]["geometry"] = "/data/calibration/x.poni"
    assert validate(data, "c.yaml").raw == "/data/visitor"


@pytest.mark.parametrize("place", ["sources", "detectors", "reductions"])
def test_names_that_differ_in_case_only_are_refused(data, place):
    name = next(iter(data[place]))
    data[place][name.upper()] = data[place][name]
    assert "differ in case only" in refusal(data).what


# --- keys and types ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "wrong", "meant"),
    [
        ("detetcors", {}, "detectors"),
        ("experiment/beamlines", "x", "beamline"),
        ("sources/tiff/frame", {}, "frames"),
        ("sources/tiff/scalars/i0/units", "s", "unit"),
        ("detectors/saxs/mask", [], "masks"),
        ("detectors/saxs/masks/1/radios", 3, "radius"),
        ("detectors/waxs/geometry/distance", 3, "distance_m"),
        ("reductions/swaxs/correction", {}, "corrections"),
        ("reductions/swaxs/integrations/azimuthal/bin", 5, "bins"),
        ("reductions/swaxs/corrections/flux/referense", 1, "reference"),
        ("chunks", {"frame": 3}, "frames"),
        ("demo", {"sede": 3}, "seed"),
    ],
)
def test_unknown_keys_are_refused_with_the_nearest_known_one(data, key, wrong, meant):
    error = refusal(changed(data, key, wrong))
    assert "unknown key" in error.what
    assert f"did you mean '{meant}'?" in error.what
    parent = key.rpartition("/")[0].replace("/", ".")
    assert parent in error.where


def test_an_unknown_key_unlike_all_others_lists_the_known_ones(data):
    assert "known: frames, memory_mb, minutes" in refusal(changed(data, "chunks", {"zzz": 3})).what


WRONG = [
    ("experiment/title", 5, "must be text"),
    ("experiment/title", None, "must be text"),
    ("experiment/title", "", "must not be empty"),
    ("experiment/title", "a\0b", "control characters"),
    ("experiment/title", "\x1b[31mred", "control characters"),
    ("experiment/creators", "A. Beam", "must be a list"),
    ("experiment", ["title"], "must be a block"),
    ("sources", [], "must be a block"),
    ("sources", {}, "must not be empty"),
    ("sources/tiff/format", "tiff", "known: euxfel, hdf5, images, imm"),
    ("sources/tiff/first_frame", True, "must be a whole number"),
    ("sources/tiff/first_frame", 1.0, "must be a whole number"),
    ("sources/tiff/first_frame", "1", "stands without quotes"),
    ("sources/tiff/first_frame", -1, "at least 0"),
    ("sources/tiff/scalars/i0/type", "colunm", "did you mean 'column'?"),
    ("sources/tiff/scalars/i0/type", "scan_column", "not available in format 'images'"),
    ("sources/tiff/scalars/i0/name", DELETE, "needs a name"),
    ("sources/tiff/table", DELETE, "no `table` is given"),
    ("sources/tiff/time_zone", "Europe", "unknown time zone 'Europe'"),
    ("sources/tiff/time_zone", "../../etc/localtime", "unknown time zone"),
    ("sources/tiff/time_zone", "Europe/Pariss", "did you mean 'Europe/Paris'?"),
    ("detectors/saxs/shape", 20, "must be a list"),
    ("detectors/saxs/shape", [20], "the list is too short"),
    ("detectors/saxs/shape", [20, 30, 40], "at most 2"),
    ("detectors/saxs/shape", [20, 0], "at least 1"),
    ("detectors/saxs/shape", [True, 30], "must be a whole number"),
    ("detectors/saxs/shape", [20, 10**9], "at most 100000"),
    ("detectors/saxs/geometry", 5, "must be text or a block of keys"),
    ("detectors/waxs/geometry/distance_m", DELETE, "the key is missing"),
    ("detectors/waxs/geometry/distance_m", 0, "above 0"),
    ("detectors/waxs/geometry/distance_m", "0.1 m", "must be a number"),
    ("detectors/waxs/geometry/distance_m", "0.1", "stands without quotes"),
    ("detectors/waxs/geometry/distance_m", float("nan"), "finite"),
    ("detectors/waxs/geometry/distance_m", float("inf"), "finite"),
    ("detectors/waxs/geometry/wavelength_m", 1.0, "below 1e-07"),
    ("detectors/saxs/masks", {"gaps": {}}, "must be a list"),
    ("detectors/saxs/masks/0/type", "gap", "did you mean 'gaps'?"),
    ("detectors/saxs/masks/0/type", DELETE, "'type' is missing"),
    ("detectors/saxs/masks/1/name", "gaps", "same name"),
    ("detectors/saxs/masks/1/centre", "bream", "must be a list or 'beam'"),
    ("detectors/saxs/masks/1/centre", [1, True], "must be a number"),
    ("detectors/saxs/valid", {"minimum": 5, "maximum": 4}, "no value is valid"),
    ("detectors/saxs/valid", {"maximum": "auot"}, "must be a number or 'auto'"),
    ("reductions/swaxs/technique", "tomography", "known: saxswaxs, shots, xpcs"),
    ("reductions/swaxs/integrations", {}, "must not be empty"),
    ("reductions/swaxs/integrations/azimuthal/kind", "azimutal", "did you mean 'azimuthal'?"),
    ("reductions/swaxs/integrations/azimuthal/unit", "q_nm-1", "did you mean 'q_nm^-1'?"),
    ("reductions/swaxs/integrations/azimuthal/unit", "1/nm", "unknown unit '1/nm'"),
    ("reductions/swaxs/integrations/azimuthal/bins", 0, "at least 1"),
    ("reductions/swaxs/integrations/azimuthal/bins", 10**30, "at most 1000000"),
    ("reductions/swaxs/integrations/azimuthal/radial_range", [2, 1], "below the second"),
    ("reductions/swaxs/integrations/azimuthal/radial_range", [1, 1], "below the second"),
    ("reductions/swaxs/integrations/azimuthal/azimuth_range", [0, 361], "360"),
    ("reductions/swaxs/integrations/azimuthal/chi_discontinuity", False, "must be a number"),
    ("reductions/swaxs/integrations/azimuthal/chi_discontinuity", 90, "one of 0, 180"),
    ("reductions/swaxs/integrations/azimuthal/solid_angle", 1, "must be true or false"),
    ("reductions/swaxs/integrations/azimuthal/solid_angle", "yes", "must be true or false"),
    ("reductions/swaxs/integrations/azimuthal/detectors", [], "must not be empty"),
    ("reductions/swaxs/integrations/azimuthal/detectors", ["saxs", "saxs"], "named twice"),
    ("reductions/swaxs/integrations/azimuthal/detectors", ["sax"], "not in `detectors`"),
    ("reductions/swaxs/integrations/cake/radial_bins", 1_000_000, "a cake has at most"),
    *(
        (f"reductions/swaxs/integrations/azimuthal/{key}", value, message)
        for key, value, message in (
            ("azimuth_direction", "reverse", "did you mean 'reversed'?"),
            ("intensity", "per_sr", "one of"),
            ("robust", {"method": "sigmaclip"}, "did you mean 'sigma_clip'?"),
            ("robust", {"method": "sigma_clip", "threshold": -1}, "at least 0"),
            ("robust", {"method": "sigma_clip", "iterations": 0}, "at least 1"),
            ("robust", {"method": "median", "threshold": 3}, "unknown key 'threshold'"),
            (
                "robust",
                {"method": "trimmed", "quantiles": [0.7, 0.3]},
                "the first below the second",
            ),
            ("robust", {"method": "trimmed", "quantiles": [25, 75]}, "from 0 to 1"),
        )
    ),
    ("reductions/swaxs/corrections/flux/reference", "maen", "must be 'mean' or a number"),
    ("reductions/swaxs/corrections/flux/reference", 0, "above 0"),
    ("reductions/swaxs/corrections/flux/uncertainty", 1.5, "below 1"),
    ("reductions/swaxs/calibrant", {"integration": "cake"}, "not an azimuthal integration"),
    ("sources/tiff/frames/other", "x.tif", "detector 'other' is not in `detectors`"),
    ("overrides", [{"set": {"a": 1}}], "give `runs`, `where` or both"),
    ("overrides", [{"runs": "1", "set": {}}], "must not be empty"),
    ("overrides", [{"runs": True, "set": {"a": 1}}], "must be text or a whole number"),
    ("chunks", {"minutes": 1e308}, "at most 100000"),
    ("chunks", {"memory_mb": 10}, "at least 1000"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_wrong_values_are_refused_in_one_clear_message(data, key, value, message):
    error = refusal(changed(data, key, value))
    assert message in error.what, error.what
    assert "mistakes" not in error.what


UNSUITABLE = [
    ({"merge": True, "detectors": ["saxs"]}, "two detectors or more"),
    ({"merge": True, "robust": {"method": "median"}}, "no median over several detectors"),
    (
        {"error_model": "none", "robust": {"method": "sigma_clip", "spread": "expected"}},
        "needs an error_model",
    ),
    ({"intensity": "per_steradian", "solid_angle": False}, "needs `solid_angle: true`"),
]


@pytest.mark.parametrize(("change", "message"), UNSUITABLE)
def test_settings_that_do_not_suit_each_other_are_refused(data, change, message):
    integrations = data["reductions"]["swaxs"]["integrations"]
    integrations["azimuthal"] = {"kind": "azimuthal", **change}
    assert message in refusal(data).what


def test_no_detector_is_called_merged(data):
    data["detectors"]["Merged"] = data["detectors"].pop("waxs")
    text = refusal(data).what
    assert "'Merged' has a meaning" in text or "not in `detectors`" in text


@pytest.mark.parametrize(("text", "number"), [("1e-10", 1e-10), ("+2E-9", 2e-9), ("3e-08", 3e-8)])
def test_powers_of_ten_without_a_point_are_numbers(data, text, number):
    # YAML 1.1 gives text for them.
    changed(data, "detectors/waxs/geometry/wavelength_m", text)
    assert validate(data, "c.yaml").detectors["waxs"].geometry.wavelength_m == number


def test_limits_hold_for_powers_of_ten_without_a_point(data):
    error = refusal(changed(data, "detectors/waxs/geometry/wavelength_m", "1e-3"))
    assert "below 1e-07" in error.what


def test_the_bare_word_no_is_a_way_to_split(data):
    # YAML reads it as false.
    changed(data, "reductions/swaxs/integrations/azimuthal/split", False)
    assert validate(data, "c").reductions["swaxs"].integrations["azimuthal"].split == "no"


def test_several_mistakes_are_told_at_once_each_with_its_key(data):
    data["experiment"]["title"] = 3
    data["chunks"] = {"threads": 0}
    data["reductions"]["swaxs"]["integrations"]["cake"]["radial_bins"] = "x"
    what = refusal(data).what
    assert what.startswith("3 mistakes")
    for key in (
        "key experiment.title:",
        "key chunks.threads:",
        "key reductions.swaxs.integrations.cake.radial_bins:",
    ):
        assert key in what


def test_a_thousand_mistakes_do_not_fill_the_screen(data):
    data["experiment"]["creators"] = list(range(1000))
    assert len(str(refusal(data))) < 5000


def test_a_key_that_is_no_text_is_refused(data):
    data["detectors"][1] = data["detectors"]["saxs"]
    assert "a name must be text, in quotes" in refusal(data).what


def test_defaults_equal_the_same_values_written_out(data):
    """A default written out must not outdate anything: the digests of both must agree."""
    from scatterflow.files.checksums import value_digest

    plain = validate(data, "c.yaml")
    written = validate(plain.model_dump(mode="json"), "c.yaml")
    assert value_digest(plain.model_dump()) == value_digest(written.model_dump())
    data["detectors"]["saxs"]["valid"] = {"minimum": 0}
    again = validate(data, "c.yaml").model_dump()
    assert value_digest(plain.model_dump()) == value_digest(again)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
PLACES = [*dict.fromkeys(key for key, _, _ in WRONG), "overrides/0", "raw", "x"]


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(key=st.sampled_from(PLACES), value=VALUES)
def test_any_value_anywhere_is_accepted_or_refused_never_a_crash(data, key, value):
    fresh = copy.deepcopy(data)
    with suppress(KeyError, IndexError, TypeError):  # no such place in this configuration
        changed(fresh, key, value)
    with suppress(UserError):
        validate(fresh, "c.yaml")
