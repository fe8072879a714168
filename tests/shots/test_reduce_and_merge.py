"""From raw shots to small data and result, in any chunks, against numpy over the frames."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import FrameError, UserError
from scatterflow.files.nexus import read_note
from scatterflow.shots.calibrated import CalibratedDetector
from scatterflow.shots.merge import merge_shots
from scatterflow.shots.reduce import result_units, unit_of
from scatterflow.shots.result import photon_energy_kev, q_range
from scatterflow.shots.small_data import SmallData, open_small_data
from scatterflow.shots.table import read_table

from .reduced_run import REDUCTION, SHAPES, SHOTS, ReducedRun, reduced_run


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> ReducedRun:
    return reduced_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def done(run, tmp_path_factory) -> tuple[Path, Path]:
    """Small data and result; the first chunk has no frame of the tiles."""
    return run.reduced(tmp_path_factory.mktemp("done"), [4, 11, 12])


@pytest.fixture
def small(done) -> SmallData:
    return open_small_data(done[0])


def numbers(path: Path) -> dict[str, bytes]:
    """All datasets of numbers but notes, as bytes with dtype and shape."""
    found = {}

    def visit(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iufb":
            found[name] = item[()].tobytes() + str((item.shape, item.dtype)).encode()

    with h5py.File(path) as file:
        file.visititems(visit)
    return {name: data for name, data in found.items() if "provenance/" not in name}


@settings(max_examples=4, deadline=None)
@given(st.lists(st.integers(1, SHOTS - 1), max_size=4), st.integers(1, 3))
def test_chunks_and_threads_change_no_bit(run, done, tmp_path_factory, cuts, threads):
    """Weighted sums are of floats: these to rounding."""
    made = run.reduced(tmp_path_factory.mktemp("chunks"), cuts, threads)
    for path, known in zip(made, done, strict=True):
        found, expected = numbers(path), numbers(known)
        assert found.keys() == expected.keys()
        different = [name for name in found if found[name] != expected[name]]
        assert [
            name for name in different if "weighted/" not in name and "by_delay/" not in name
        ] == []
        with h5py.File(path) as one, h5py.File(known) as other:
            for name in different:
                np.testing.assert_allclose(one[name], other[name], rtol=1e-12, atol=1e-12)


def test_rows_are_the_shots_with_the_sources_tags(run, small):
    np.testing.assert_array_equal(small.tags, run.tags)
    for name, there in run.there.items():
        np.testing.assert_array_equal(small.read(f"damage/{name}"), there)
    np.testing.assert_array_equal(small.read("ipm2/sum"), run.scalars["i0"])
    np.testing.assert_array_equal(small.read("lightStatus/laser"), run.scalars["laser"])


def test_results_of_functions(run, small):
    there, values = run.there["tiles"], run.values("tiles")
    cut, good = values[:, :, 1:4], run.good[:, 1:4]
    ring = np.where((cut >= 1) & good, cut, 0)
    np.testing.assert_allclose(small.read("tiles/ring_sum")[there], ring.sum(axis=(1, 2, 3))[there])
    np.testing.assert_allclose(small.read("tiles/ring_area")[there], cut[there], atol=1e-6)
    np.testing.assert_allclose(
        small.read("tiles/ring_along_data")[there], ring.sum(axis=3)[there], atol=1e-5
    )
    edges = [0, 2, 4, 50]
    for shot in np.flatnonzero(there):
        expected = np.histogram(values[shot][run.good], edges)[0]
        np.testing.assert_array_equal(small.read("tiles/values_data")[shot], expected)
    np.testing.assert_array_equal(small.fixed("tiles/values_edges"), edges)
    assert np.abs(small.read("tiles/packed_data")[there] - values[there]).max() <= 0.25
    camera = run.values("camera")
    np.testing.assert_allclose(small.read("camera/whole_sum"), camera.sum(axis=(1, 2)))
    trace = run.values("trace")
    background = np.median(trace[:, :8], axis=1)
    np.testing.assert_allclose(
        small.read("trace/pulse_sum"), trace[:, 10:20].sum(axis=1) - 10 * background, rtol=1e-6
    )
    np.testing.assert_allclose(small.read("trace/part_sum"), trace[:, 10:20].sum(axis=1), rtol=1e-6)


def test_shots_without_the_detector_have_nothing(run, small):
    absent = ~run.there["tiles"]
    for name in ("ring_sum", "ring_area", "ring_along_data", "packed_data"):
        assert np.isnan(small.read(f"tiles/{name}")[absent]).all()
        assert np.isfinite(small.read(f"tiles/{name}")[~absent]).all()
    assert (small.read("tiles/values_data")[absent] == 0).all()
    assert (small.lists("tiles/drops_droplets").lengths[absent] == 0).all()


def test_lists_of_every_shot_are_its_own(run, small):
    """All bright pixels are in droplets: their charge is that of the shot."""
    values = np.where(run.values("tiles") > 6.25, run.values("tiles"), 0)
    lists = small.lists("tiles/drops_droplets")
    assert lists.lengths.sum() > 20
    assert len(lists.lengths) == SHOTS
    shot = np.repeat(np.arange(SHOTS), lists.lengths)
    charge = np.bincount(shot, lists.values["data"], minlength=SHOTS)
    there = run.there["tiles"]
    np.testing.assert_allclose(charge[there], values.sum(axis=(1, 2, 3))[there], rtol=1e-6)
    part = small.lists("tiles/drops_droplets", 10, 20)
    begin, end = lists.lengths[:10].sum(), lists.lengths[:20].sum()
    np.testing.assert_array_equal(part.values["data"], lists.values["data"][begin:end])
    assert small.lists("tiles/drops_droplets", 5, 5).values["data"].size == 0


def test_sums(run, small):
    there, values = run.there["tiles"], run.values("tiles")
    without = there & (run.scalars["xray"] == 0)
    assert 0 < without.sum() < there.sum()
    expected = {
        "calib": (values[there].sum(axis=0), there.sum()),
        "calib_dropped": (values[without].sum(axis=0), without.sum()),
        "calib_max": (values[there].max(axis=0), there.sum()),
        "calib_thresADU2_square": (
            (np.where(values < 2, 0, values)[there] ** 2).sum(axis=0),
            there.sum(),
        ),
    }
    for name, (total, count) in expected.items():
        np.testing.assert_allclose(small.fixed(f"Sums/tiles_{name}"), total, rtol=1e-6)
        assert (small.fixed(f"Sums/tiles_{name}_count") == count).all()
    np.testing.assert_allclose(
        small.fixed("Sums/trace_calib"), run.values("trace").sum(axis=0), rtol=1e-6
    )


def test_statistics(run, done):
    there, values, scalars = run.there["tiles"], run.values("tiles"), run.scalars
    light = there & (scalars["i0"] >= 1.2)
    pumped = light & (scalars["laser"] == 1)
    weighed = there & np.isfinite(scalars["weight"])
    weights = scalars["weight"][weighed]
    mean = np.average(values[weighed], axis=0, weights=weights)
    with h5py.File(done[1]) as file:
        entry = file["entry"]
        own = values[there]
        close = {"rtol": 1e-6, "atol": 1e-9}
        np.testing.assert_allclose(entry["tiles_mean/mean"], own.mean(axis=0), **close)
        error = own.std(axis=0, ddof=1) / np.sqrt(len(own))
        np.testing.assert_allclose(entry["tiles_mean/mean_errors"], error, **close)
        np.testing.assert_allclose(
            entry["tiles_pumped/sample_variance"], values[pumped].var(axis=0, ddof=1), **close
        )
        assert (entry["tiles_pumped/count"][()] == pumped.sum()).all()
        np.testing.assert_allclose(entry["tiles_low/value"], own.min(axis=0), **close)
        np.testing.assert_allclose(entry["tiles_high/value"], values[light].max(axis=0), **close)
        assert (entry["tiles_seen/count"][()] == there.sum()).all()
        np.testing.assert_allclose(entry["tiles_weighted/mean"], mean, **close)
        assert (entry["tiles_weighted/count"][()] == weighed.sum()).all()
        np.testing.assert_allclose(entry["tiles_weighted/weight"], weights.sum(), rtol=1e-12)
        # Bins of half a photon around the values that (n - 3) / 2 can have: exact.
        expected = np.quantile(own, [0, 0.5, 1], axis=0, method="inverted_cdf")
        np.testing.assert_allclose(entry["tiles_middle/quantile"], expected, atol=1e-9)
        tags = entry["tiles_some/tags"][()]
        assert len(set(tags)) == 4
        shots = np.searchsorted(run.tags, tags)
        assert there[shots].all()
        np.testing.assert_allclose(entry["tiles_some/values"], values[shots], atol=1e-6)
        shifted = scalars["nominal"] - scalars["nominal"].min()  # of the whole run, not of a chunk
        np.testing.assert_allclose(
            entry["camera_by_delay/mean"],
            np.average(run.values("camera"), axis=0, weights=shifted),
            rtol=1e-9,
        )


def test_a_detector_that_is_in_no_shot(small, done):
    assert np.isnan(small.read("never/whole_sum")).all()
    assert (small.read("never/drops_nDroplets") == 0).all()
    assert (small.lists("never/drops_droplets").lengths == 0).all()
    assert (small.fixed("Sums/never_calib_count") == 0).all()
    assert np.isnan(small.fixed("Sums/never_calib_max")).all()
    with h5py.File(done[1]) as file:
        entry = file["entry"]
        assert np.isnan(entry["never_mean/mean"][()]).all()
        assert (entry["never_mean/count"][()] == 0).all()
        assert np.isnan(entry["never_middle/quantile"][()]).all()
        assert np.isnan(entry["never_weighted/mean"][()]).all()
        assert entry["never_some/values"].shape == (0, *SHAPES["never"])


def test_variables_of_results_and_filters_of_both(run, small):
    there = run.there["tiles"]
    ratio = small.read("tiles/ring_sum") / run.scalars["i0"]
    np.testing.assert_array_equal(small.read("ratio"), ratio)
    np.testing.assert_array_equal(small.read("variables/twice"), 2 * ratio)
    assert small.unit("twice") == "photons/V"
    known = np.isfinite(ratio)
    passed = small.passed(["bright"])
    np.testing.assert_array_equal(passed[known], ratio[known] > np.median(ratio[known]))
    assert not passed[~known].any()
    with h5py.File(small.path) as file:
        assert file["filters/bright"].attrs["undefined"] == (~known).sum()
        assert file["filters/bright"].attrs["removed"] == (~passed).sum()
    # No droplets because there was no frame is not few droplets.
    assert np.isnan(small.read("drops")[~there]).all()
    few = small.passed(["few"])
    assert not few[~there].any()
    np.testing.assert_array_equal(few[there], small.read("tiles/drops_nDroplets")[there] <= 1)
    both = small.passed(["bright", "few"])
    np.testing.assert_array_equal(both, passed & few)
    assert small.passed([]).all()


def test_units(small):
    expected = {
        "tiles/ring_sum": "photons",
        "tiles/ring_com": "pixel",
        "tiles/ring_along_data": "photons",
        "tiles/values_data": "",  # numbers of pixels
        "tiles/drops_nDroplets": "",
        "camera/whole_mean": "ADU",
        "trace/pulse_sum": "ADU",
        "trace/pulse_sum_error": "ADU",
        "trace/pulse_background": "ADU",
        "ratio": "",
    }
    assert {name: small.unit(name) for name in expected} == expected
    with h5py.File(small.path) as file:
        assert file["Sums/tiles_calib"].attrs["units"] == "photons"
        assert file["Sums/tiles_calib_thresADU2_square"].attrs["units"] == "photons^2"
        assert file["UserDataCfg/tiles/ped"].attrs["units"] == "ADU"


@pytest.mark.parametrize(("positions", "length"), [(None, "pixel"), ("known", "mm")])
def test_units_of_what_functions_fit(positions, length):
    detector = SimpleNamespace(positions=positions, unit="photons")
    functions = {
        "acf": {"kind": "autocorrelation"},
        "ring": {"kind": "fit_centre"},
        "pulses": {"kind": "fit_pulses"},
        "azimuthal": {},
        "map": {"kind": "photon_map", "functions": {"line": {"kind": "projection"}}},
    }
    expected = {
        "acf_speckle_size": "pixel",
        "acf_speckle_size_error": "pixel",
        "acf_contrast_error": "",
        "ring_xCen": length,
        "ring_R_error": length,
        "ring_residu": f"{length}^2",
        "ring_ier": "",
        "pulses_intensities": "ADU",
        "pulses_norms": "ADU",
        "pulses_score": "",
        "azimuthal_azav_error": "ADU",
        "map_line_data": "photons",
    }
    units = result_units(functions, "ADU")
    assert {key: unit_of(key, detector, units) for key in expected} == expected


def test_opened_as_lcls_users_do(run, done):
    """Paths of smalldata_tools, with h5py alone."""
    with h5py.File(done[0]) as file:
        assert set(file) >= {
            "Sums",
            "UserDataCfg",
            "damage",
            "lightStatus",
            "ipm2",
            "tiles",
            "camera",
        }
        laser = file["lightStatus/laser"][:] == 1
        signal = file["tiles/ring_sum"][:]
        assert len(laser) == len(signal) == SHOTS
        on = np.nanmean(signal[laser & (file["damage/tiles"][:] == 1)])
        own = run.there["tiles"] & (run.scalars["laser"] == 1)
        ring = np.where((run.values("tiles") >= 1) & run.good, run.values("tiles"), 0)[:, :, 1:4]
        assert on == pytest.approx(ring.sum(axis=(1, 2, 3))[own].mean(), rel=1e-6)
        lengths = file["tiles/var_drops_droplets_len"][:]
        assert len(file["tiles/var_drops_droplets/row"]) == lengths.sum()
        assert file["Sums/tiles_calib"].shape == SHAPES["tiles"]
        np.testing.assert_array_equal(file["UserDataCfg/tiles/mask"][:], run.good)
        assert (file["UserDataCfg/tiles/ped"][:] == 3).all()
        assert file["UserDataCfg/tiles/ring__threshold"][()] == 1.0
        assert file["UserDataCfg/tiles/ring_along__axis"][()] == 2
        assert read_note(file["provenance/run"]) == "9"
        (raw,) = read_note(file["provenance/raw_files"])
        assert raw["path"].endswith("9.h5")
        assert read_note(file["provenance/notes"])


def test_energy_and_q_are_told_as_far_as_they_are_known(tmp_path, done):
    with h5py.File(done[1]) as file:
        assert "monochromator" not in file["entry/instrument"]
        assert "q_range" not in file["entry"]
    path = tmp_path / "1.h5"
    with h5py.File(path, "w") as file:
        file.attrs["creator"] = "scatterflow"
        file["tag"] = np.arange(4)
        file["ebeam/photon_energy"] = [8999.0, np.nan, 9003.0, 0.0]
        file["ebeam/photon_energy"].attrs["units"] = "eV"
        # The outermost bins and one between have no pixel; `counts_q` is no average.
        file["UserDataCfg/ccd/inner_ring_q"] = [0.5, 1.0, 1.5, 2.0]
        file["UserDataCfg/ccd/inner_ring_pixels"] = [[0, 3, 0, 0], [0, 0, 0, 0]]
        file["UserDataCfg/pnccd/ring_q"] = [0.8, 1.1, 1.4]
        file["UserDataCfg/pnccd/ring_pixels"] = [[2, 0, 1]]
        file["UserDataCfg/ccd/counts_q"] = [99.0]
    small = open_small_data(path)
    assert q_range(small) == (0.8, 1.4)

    def azimuthal(energy):
        return {"kind": "azimuthal", "photon_energy_ev": energy}

    inside = {"part": {"kind": "region", "functions": {"ring": azimuthal(9500.0)}}}
    assert photon_energy_kev(small, {"ccd": {"functions": inside}}) == pytest.approx(9.5)
    both = {"ccd": {"functions": inside}, "pnccd": {"functions": {"ring": azimuthal(400.0)}}}
    for own in (both, {"ccd": {"functions": {"sum": {"kind": "region"}}}}, {}):
        assert photon_energy_kev(small, own) == pytest.approx(9.001)


def test_pandas(run, small):
    table = small.frame()
    assert table.index.name == "tag"
    np.testing.assert_array_equal(table.index, run.tags)
    np.testing.assert_array_equal(table["ipm2/sum"], run.scalars["i0"])
    assert table.attrs["units"]["variables/twice"] == "photons/V"
    assert not any("values_data" in column or "var_" in column for column in table)


def test_xarray(small):
    pytest.importorskip("xarray")
    found = small.dataset()
    assert found["tiles/ring_along_data"].dims[0] == "tag"
    assert found["tiles/ring_area"].shape == (SHOTS, 2, 3, 5)
    np.testing.assert_array_equal(found["ipm2/sum"].sel(tag=509), small.read("ipm2/sum")[3])


def test_names_that_are_not_there(small):
    for call, how in (
        (lambda: small.read("tiles/ring_sun"), "did you mean 'tiles/ring_sum'"),
        (lambda: small.read("ratoi"), "did you mean 'ratio'"),
        (lambda: small.lists("tiles/drops_droplet"), "did you mean 'tiles/drops_droplets'"),
        (lambda: small.passed(["brigth"]), "did you mean 'bright'"),
        (lambda: small.fixed("tiles/values_edge"), "did you mean 'tiles/values_edges'"),
        (lambda: small.fixed("Sums/tiles_calibb"), "did you mean 'Sums/tiles_calib'"),
    ):
        with pytest.raises(UserError) as caught:
            call()
        assert how in caught.value.how


def test_files_that_are_none(tmp_path, run):
    with pytest.raises(UserError, match="no small data file of scatterflow"):
        open_small_data(run.folder / "9.h5")
    with pytest.raises(UserError):
        open_small_data(tmp_path / "missing.h5")


def test_groups_are_those_of_nexus(done):
    """The check of nxvalidate for files without an application definition."""
    from nexusformat.nexus import nxload

    _, errors = nxload(str(done[1]))["entry"].check(level="error")
    assert errors == 0


def test_silx_draws_the_mean_image_by_default(run, done):
    nxdata = pytest.importorskip("silx.io.nxdata")
    with h5py.File(done[1]) as file:
        groups = [g for g in file["entry"].values() if g.attrs.get("NX_class") == "NXdata"]
        issues = {group.name: nxdata.NXdata(group).issues for group in groups}
        assert not any(issues.values()), issues
        plot = nxdata.get_default(file)
        assert plot.signal.name == "/entry/image/image"
        image = plot.signal[()]
        errors = plot.errors[()]
    assert image.shape == errors.shape
    mean = run.values("tiles")[run.there["tiles"]].mean(axis=0)
    shown = np.sort(image[np.isfinite(image)])
    np.testing.assert_allclose(shown, np.sort(mean[run.good]), rtol=1e-6)


def test_without_any_image_the_shots_are_shown(tmp_path):
    only = {**REDUCTION["detectors"]["trace"], "sums": [], "statistics": {}}
    given = {**REDUCTION, "detectors": {"trace": only}, "variables": {}, "filters": {}}
    result = reduced_run(tmp_path / "raw", given).reduced(tmp_path / "made", [])[1]
    with h5py.File(result) as file:
        assert file["entry"].attrs["default"] == "shots"
        assert file["entry/shots"].attrs["signal"] == "value"


def test_chunks_that_do_not_make_up_the_run(run, tmp_path):
    run.reduced(tmp_path, [10, 20])
    table = read_table(tmp_path / "table.h5")

    def merge(*starts: int) -> None:
        parts = [tmp_path / f"{start}.h5" for start in starts]
        told = {"run": "9", "reduction": "p", "sample": ""}
        path = tmp_path / "other.h5"
        merge_shots(path, parts, table, run.detectors(), run.settings, told, label="9")

    with pytest.raises(UserError, match="shots 10 to 19 are missing"):
        merge(0, 20)
    with pytest.raises(UserError, match="the chunks hold 20 shots, the table of the run 30"):
        merge(0, 10)
    assert not (tmp_path / "other.h5").exists()


@pytest.mark.parametrize(
    ("block", "change", "text", "where"),
    [
        (
            "variables",
            {"ratio": {"type": "expression", "expression": "tiles_ring_sun / ipm2_sum"}},
            "the run has no value 'tiles_ring_sun'",
            "pumpprobe.variables.ratio",
        ),
        (
            "filters",
            {"light": {"type": "range", "variable": "ipm2/summ", "minimum": 1}},
            "no scalar 'ipm2/summ'",
            "filters.light",
        ),
        (
            "filters",
            {"light": {"type": "range", "variable": "ipm2/sum", "minimum": 1e9}},
            f"no shot of {SHOTS} passes the filters: light removes {SHOTS}",
            "detectors.tiles.statistics",
        ),
        (
            "filters",
            {"light": {"type": "range", "variable": "tiles/ring_sum", "minimum": 1}},
            "'tiles/ring_sum' is known only after the frames were summed",
            "detectors.tiles.statistics.pumped, filters.light",
        ),
        (
            "filters",
            {"light": {"type": "expression", "expression": "camera_whole_sum > 0"}},
            "'camera_whole_sum' is known only after",
            "filters.light",
        ),
    ],
)
def test_mistakes_are_told_and_leave_no_file(tmp_path, block, change, text, where):
    given = {**REDUCTION, block: {**REDUCTION[block], **change}}
    run = reduced_run(tmp_path / "raw", given)
    with pytest.raises(UserError, match=text) as caught:
        run.reduced(tmp_path / "made", [])
    assert where in caught.value.where
    assert caught.value.how
    assert not (tmp_path / "made/9.h5").exists()


class Damaged:
    """A source of which one frame of the tiles cannot be read."""

    def __init__(self, source, shot):
        self.source, self.shot = source, shot

    def __getattr__(self, name):
        return getattr(self.source, name)

    def read(self, detector, start, stop):
        if start <= self.shot < stop:
            raise FrameError(f"shot {self.shot} is corrupt", "9.h5", "copy it again")
        return self.source.read(detector, start, stop)


@pytest.mark.parametrize("cuts", [[0, SHOTS], [0, 12, 13, 20, SHOTS]])
def test_corrupt_frames_stop_or_are_absent(run, cuts):
    whole = run.detectors()[0]
    known = {name: getattr(whole, name) for name in whole.__dataclass_fields__}
    known["source"] = Damaged(whole.source, 12)
    with pytest.raises(FrameError, match="shot 12 is corrupt"):
        list(CalibratedDetector(**known).blocks(0, SHOTS))
    lenient = CalibratedDetector(**{**known, "skip_missing": True})
    kept, frames = [], []
    for start, stop in pairwise(cuts):
        for _, present, values, _ in lenient.blocks(start, stop):
            kept.append(present)
            frames.append(values)
    expected = run.there["tiles"] & (np.arange(SHOTS) != 12)
    np.testing.assert_array_equal(np.concatenate(kept), expected)
    np.testing.assert_allclose(np.concatenate(frames), run.values("tiles")[expected], atol=1e-6)
