"""Cubes of a whole run, from small data and raw images to the file, against numpy shot by shot."""

from __future__ import annotations

import importlib.util
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.shots.bin import bin_images, bin_quantities, sort_shots
from scatterflow.shots.cube_file import write_cube
from scatterflow.shots.image_sums_file import open_image_parts, slabs, write_image_sums
from scatterflow.shots.open_cube import open_cube

from .pumped_run import (
    BAD,
    EDGES,
    MOTOR,
    SHAPE,
    SHOTS,
    PumpedRun,
    Q,
    cube_settings,
    members,
    pumped_run,
)

DESCRIPTION = {
    "run": "7",
    "reduction": "pumpprobe",
    "cube": "scan",
    "sample": "water",
    "experiment": {"title": "Test", "proposal": "", "creators": ["A. P."]},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> PumpedRun:
    return pumped_run(tmp_path_factory.mktemp("run"))


def make_cube(run: PumpedRun, path: Path, cuts: list[int], own: dict[str, Any]) -> h5py.File:
    """The cube's file, its images binned in chunks."""
    small = run.small()
    shots = sort_shots(small, own, "cube scan")
    images = None
    if own["images"]:
        parts = []
        for start, stop in pairwise([0, *sorted(cuts), SHOTS]):
            parts.append(path.with_name(f"{path.stem}-{start}-{stop}-{len(parts)}.h5"))
            found = bin_images(shots, {"ccd": run.detector()}, start, stop)
            write_image_sums(parts[-1], found, {"units": {"ccd": "photons"}})
        total = int(np.prod(shots.cube().shape))
        images = open_image_parts(parts[::-1], SHOTS, total)
    cube = bin_quantities(small, shots, own["quantities"], "cube scan")
    write_cube(path, small, shots, cube, images, own, DESCRIPTION)
    return h5py.File(path, locking=False)


@pytest.fixture(scope="module")
def cube(run, tmp_path_factory) -> h5py.File:
    return make_cube(run, tmp_path_factory.mktemp("cube") / "c.nxs", [20, 50], cube_settings())


def arrays(file: h5py.File) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf":
            found[name] = item[()]

    for name, group in file["entry"].items():
        if group.attrs.get("NX_class") == "NXdata":
            group.visititems(lambda key, item, name=name: visit(f"{name}/{key}", item))
    return found


@pytest.mark.parametrize("name", ["ccd_ring_sum", "ccd_map_nPhot", "ccd_azimuthal_azav", "ccd"])
def test_every_cell_against_numpy(run, cube, name):
    values = {
        "ccd_ring_sum": run.signal,
        "ccd_map_nPhot": np.where(run.there, run.photons, np.nan),
        "ccd_azimuthal_azav": run.profile,
        "ccd": np.where(run.there[:, None, None], run.images, np.nan),
    }[name]
    group = cube["entry"][name]
    tolerance = 1e-6 if name == "ccd" else 1e-12  # images are float32
    assert group["mean"].shape == (2, 3, *values.shape[1:])
    for laser in (0, 1):
        for bin_ in range(3):
            own = values[members(run, laser, bin_)]
            count = np.isfinite(own).sum(axis=0)
            assert np.array_equal(group["counts"][laser, bin_], count)
            with np.errstate(invalid="ignore"):
                mean = np.nansum(own, axis=0) / count
                spread = np.nansum((own - mean) ** 2, axis=0) / (count - 1)
                error = np.sqrt(spread / count)
            np.testing.assert_allclose(group["mean"][laser, bin_], mean, rtol=tolerance)
            relative = 1e-5 if name == "ccd" else 1e-9
            np.testing.assert_allclose(group["mean_errors"][laser, bin_], error, rtol=relative)
    shots = [[len(members(run, laser, bin_)) for bin_ in range(3)] for laser in (0, 1)]
    assert cube["entry/shots/shots"][()].tolist() == shots


@pytest.mark.parametrize("name", ["ccd_ring_sum", "ccd"])
def test_normalised_by_the_monitor(run, cube, name):
    values = run.signal if name == "ccd_ring_sum" else run.images[:, 1, 2]
    group = cube["entry"][name]
    pixel = () if name == "ccd_ring_sum" else (1, 2)
    for laser in (0, 1):
        for bin_ in range(3):
            own = members(run, laser, bin_)
            own = own[run.there[own] & np.isfinite(run.i0[own])]
            x, m = values[own], run.i0[own]
            ratio = x.sum() / m.sum()
            place = (laser, bin_, *pixel)
            assert group["ratio"][place] == pytest.approx(ratio, rel=1e-6)
            scatter = np.sum((x - ratio * m) ** 2)
            error = np.sqrt(len(x) / (len(x) - 1) * scatter) / m.sum()
            assert group["ratio_errors"][place] == pytest.approx(error, rel=1e-4)
            assert group["mean_of_ratios"][place] == pytest.approx((x / m).mean(), rel=1e-6)
            assert group["counts_of_ratios"][place] == len(x)
    assert group["ratio"].attrs["units"] == "photons/(V)"


def test_the_difference_is_that_of_what_is_plotted(cube):
    """Of the ratio where there is one, else of the mean; errors in quadrature."""
    for name, signal in (
        ("ccd_ring_sum", "ratio"),
        ("ccd_azimuthal_azav", "mean"),
        ("ccd", "ratio"),
    ):
        group = cube["entry"][name]
        off, on = group[signal][()]
        off_error, on_error = group[f"{signal}_errors"][()]
        np.testing.assert_allclose(group["difference"], on - off)
        np.testing.assert_allclose(group["difference_errors"], np.hypot(on_error, off_error))
        np.testing.assert_allclose(group["relative"], on / off - 1, atol=1e-12)
        error = np.hypot(on_error, on / off * off_error) / np.abs(off)
        np.testing.assert_allclose(group["relative_errors"], error)


@pytest.mark.parametrize("normalise", [{}, {"ccd/ring_sum": "ipm2/sum"}])
def test_a_pooled_reference(run, tmp_path, normalise):
    own = cube_settings(
        images=[],
        quantities=["ccd/ring_sum"],
        normalise=normalise,
        difference={"label": "laser", "pooled_off": True},
    )
    with make_cube(run, tmp_path / "c.nxs", [], own) as file:
        group = file["entry/ccd_ring_sum"]
        off = np.concatenate([members(run, 0, bin_) for bin_ in range(3)])
        off = off[run.there[off]]
        if normalise:
            off = off[np.isfinite(run.i0[off])]
            reference = run.signal[off].sum() / run.i0[off].sum()
            expected = group["ratio"][1] - reference
        else:
            expected = group["mean"][1] - run.signal[off].mean()
        np.testing.assert_allclose(group["difference"], expected, rtol=1e-9)


def test_bad_pixels_have_no_value(cube):
    group = cube["entry/ccd"]
    assert not group["counts"][(..., *BAD)].any()
    for name in ("mean", "ratio", "mean_of_ratios", "difference"):
        assert np.isnan(group[name][(..., *BAD)]).all()
        assert np.isfinite(group[name][()]).sum() == group[name].size * 29 // 30


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(0, SHOTS), max_size=5))
def test_chunks_change_no_bit(run, cube, tmp_path_factory, cuts):
    """Nor does their order; ratios of float sums to rounding."""
    path = tmp_path_factory.mktemp("chunks") / "c.nxs"
    with make_cube(run, path, cuts, cube_settings()) as file:
        found, expected = arrays(file), arrays(cube)
    assert found.keys() == expected.keys()
    for name, values in found.items():
        if name.startswith("ccd/") and not name.startswith(("ccd/mean", "ccd/count")):
            np.testing.assert_allclose(values, expected[name], rtol=1e-9, atol=1e-9)
        elif not name.startswith(("ccd_ratio", "ccd_difference")):
            assert np.array_equal(values, expected[name], equal_nan=True), name


@pytest.mark.parametrize("shape", [(7,), (6, 5), (3, 4, 5), (2, 1, 3, 4)])
@pytest.mark.parametrize("pixels", [1, 5, 7, 1000])
def test_ranges_of_pixels_cover_an_image_once(shape, pixels):
    image = np.full(shape, -1)
    flat = np.arange(image.size)
    for slab in slabs(shape, 8, 8 * pixels):
        assert image[slab.index].shape == slab.shape
        image[slab.index] = flat[slab.first : slab.last].reshape(slab.shape)
    assert np.array_equal(image.ravel(), flat)


def test_images_by_ranges_of_rows_are_the_same(run, cube, tmp_path, monkeypatch):
    monkeypatch.setattr("scatterflow.shots.image_sums_file.SLAB_BYTES", 6 * 640 * 7)
    with make_cube(run, tmp_path / "c.nxs", [33], cube_settings()) as file:
        assert np.array_equal(file["entry/ccd/mean"], cube["entry/ccd/mean"][()], equal_nan=True)


def test_only_images_of_shots_in_bins_are_read(run, monkeypatch):
    shots = sort_shots(run.small(), cube_settings(), "cube")
    detector = run.detector()
    asked = []
    original = type(detector).blocks

    def noted(self, start, stop, wanted=None, *, threads=1):
        asked.append((start, wanted.copy()))
        return original(self, start, stop, wanted, threads=threads)

    monkeypatch.setattr(type(detector), "blocks", noted)
    bin_images(shots, {"ccd": detector}, 10, 60)
    every = np.concatenate([members(run, laser, b) for laser in (0, 1) for b in range(3)])
    ((start, wanted),) = asked
    expected = np.isin(np.arange(10, 60), every)
    assert start == 10
    assert np.array_equal(wanted, expected)


def test_an_empty_bin_has_count_0_and_no_mean(run, tmp_path):
    own = cube_settings(axes={"delay": {"type": "edges", "edges": [0.0, 1.0, 50.0, 60.0]}})
    with make_cube(run, tmp_path / "c.nxs", [], own) as file:
        for name in ("ccd_ring_sum", "ccd", "ccd_azimuthal_azav"):
            group = file["entry"][name]
            assert not group["counts"][:, 2].any()
            assert np.isnan(group["mean"][:, 2]).all()
            assert np.isnan(group["difference"][2]).all()
        assert file["entry/shots/shots"][:, 2].tolist() == [0, 0]


def test_what_is_left_out_is_told_by_reason(run, cube):
    left = {name: int(item[()]) for name, item in cube["entry/left_out"].items()}
    unlabelled = run.light & (run.laser < 0)
    with np.errstate(invalid="ignore"):
        inside = (run.delay >= EDGES[0]) & (run.delay <= EDGES[-1])
    assert left == {
        "filters": int((~run.light).sum()),
        "laser": int(unlabelled.sum()),
        "delay": int((run.light & ~unlabelled & ~inside).sum()),
    }
    assert sum(left.values()) + cube["entry/shots/shots"][()].sum() == SHOTS


def test_axes_units_and_default_plots(cube):
    entry = cube["entry"]
    assert entry.attrs["default"] == "ccd_ring_sum_difference"
    group = entry["ccd_azimuthal_azav"]
    assert list(group.attrs["axes"]) == ["laser", "delay", ".", "q"]
    assert group["q"].attrs["units"] == "1/angstrom"
    np.testing.assert_array_equal(group["q"], Q)
    assert group["mean"].attrs["units"] == "photons"
    assert list(group["laser"].attrs["kinds"]) == ["off", "on"]
    np.testing.assert_array_equal(group["delay_lower"], EDGES[:-1])
    np.testing.assert_array_equal(group["delay_upper"], EDGES[1:])
    assert group["delay"].attrs["units"] == "ps"
    for name, item in entry.items():
        if item.attrs.get("NX_class") == "NXdata":
            signal = item[item.attrs["signal"]]
            axes = list(item.attrs["axes"])
            assert len(axes) == signal.ndim, name
            for size, axis in zip(signal.shape, axes, strict=True):
                assert axis == "." or item[axis].shape == (size,), name
            if name != "shots":
                assert item[f"{item.attrs['signal']}_errors"].shape == signal.shape
    if importlib.util.find_spec("silx"):
        from silx.io import nxdata

        shown = nxdata.get_default(cube)
        assert shown.is_valid
        groups = [g for g in cube["entry"].values() if g.attrs.get("NX_class") == "NXdata"]
        assert len(groups) == 1 + 4 + 2 + 4
        assert all(nxdata.NXdata(group).is_valid for group in groups)
        assert shown.signal.name == "/entry/ccd_ring_sum_difference/difference"
        assert shown.errors is not None


def test_where_it_comes_from(run, cube):
    notes = cube["entry/provenance"]

    def note(name: str) -> Any:
        return json.loads(notes[name]["data"][()].tobytes())

    assert note("small_data")["path"].endswith("7.h5")
    assert note("small_data_provenance") == {"masks": {"ccd": "m1"}}
    assert note("images") == [{"units": {"ccd": "photons"}}]
    assert note("settings")["filters"] == ["light"]
    assert cube["entry/process_1_bin"].attrs["NX_class"] == "NXprocess"


def test_as_xarray(run, cube):
    pytest.importorskip("xarray")
    found = open_cube(cube.filename)
    own = members(run, 1, 1)
    mean = np.nanmean(run.signal[own])
    assert float(found["ccd_ring_sum"].sel(laser="on", delay=0.25)) == pytest.approx(mean)
    assert found["ccd_ring_sum_difference"].dims == ("delay",)
    assert found["ccd"].shape == (2, 3, *SHAPE)
    assert found["ccd_azimuthal_azav"].dims[-1] == "ccd_azimuthal_azav_q"
    assert found["ccd_ring_sum"].attrs["units"] == "photons"
    assert found["delay"].attrs["units"] == "ps"
    assert found.attrs["left_out"]["filters"] == (~run.light).sum()
    assert found["shots"].sum() + sum(found.attrs["left_out"].values()) == SHOTS
    with pytest.raises(UserError, match="not a cube"):
        open_cube(run.folder / "7.h5")


def test_steps_and_two_axes(run, tmp_path):
    """A set value that was scanned, and one more axis, against bins counted one by one."""
    halves = {"type": "linear", "variable": "ipm2/sum", "bins": 2, "minimum": 1.0, "maximum": 3.0}
    own = cube_settings(
        axes={"motor": {"type": "steps", "variable": "scan/motor"}, "intensity": halves},
        labels={},
        images=[],
        quantities=["ccd/ring_sum"],
        normalise={},
        difference=None,
    )
    with make_cube(run, tmp_path / "c.nxs", [], own) as file:
        group = file["entry/ccd_ring_sum"]
        assert group["motor"][()].tolist() == [-2, 0.5, 1.5]
        assert list(group.attrs["axes"]) == ["motor", "intensity"]
        for i, position in enumerate((-2, 0.5, 1.5)):
            for j, (low, high) in enumerate(((1, 2), (2, 3))):
                with np.errstate(invalid="ignore"):
                    inside = (run.i0 >= low) & (run.i0 < high)
                chosen = run.light & (position == MOTOR) & inside
                assert file["entry/shots/shots"][i, j] == chosen.sum()
                mean = np.nanmean(run.signal[chosen]) if run.there[chosen].any() else np.nan
                np.testing.assert_allclose(group["mean"][i, j], mean)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"filters": ["never"]}, "no shot of 90 passes the filters: never lets 0 pass"),
        ({"axes": {"scan/constant": {}}}, "constant"),
        ({"axes": {"scan/unknown": {}}}, "has no value in any"),
        ({"axes": {"ccd/azimuthal_azav": {}}}, "array of"),
        ({"axes": {"delayy": {}}}, "no value 'delayy'"),
        ({"axes": {"delay": {"type": "edges", "edges": [7.0, 8.0]}}}, "falls into any bin"),
        ({"normalise": {"ccd": "ipm3/sum"}}, "no value 'ipm3/sum'"),
    ],
)
def test_mistakes_are_told(run, changes, text):
    if "axes" in changes:
        ((name, axis),) = changes["axes"].items()
        linear = {"type": "linear", "bins": 3, "variable": name}
        changes = {"axes": {"x": {**axis, "variable": name} if axis else linear}}
    with pytest.raises(UserError, match=text) as caught:
        sort_shots(run.small(), cube_settings(**changes), "run 7, key cubes.scan")
    assert "run 7, key cubes.scan" in caught.value.where
    assert caught.value.how


def test_an_absent_detector_is_told(run):
    small = run.small()
    shots = sort_shots(small, cube_settings(), "cube")
    with pytest.raises(UserError, match="no value 'octal/ring_sum'"):
        bin_quantities(small, shots, ["octal/ring_sum"], "run 7, key cubes.scan")


def test_parts_that_do_not_belong_together(run, tmp_path):
    shots = sort_shots(run.small(), cube_settings(), "cube")
    paths = []
    for start, stop in ((0, 30), (40, SHOTS)):
        paths.append(tmp_path / f"{start}.h5")
        found = bin_images(shots, {"ccd": run.detector()}, start, stop)
        write_image_sums(paths[-1], found, {"units": {}})
    with pytest.raises(UserError, match="shot 30 should come next, not 40"):
        open_image_parts(paths, SHOTS, 6)
    with pytest.raises(UserError, match="images of 30 shots of 90"):
        open_image_parts(paths[:1], SHOTS, 6)
    with pytest.raises(UserError, match="another way"):
        open_image_parts(paths[:1], 30, 8)
    with pytest.raises(UserError, match="not a file of image sums"):
        open_image_parts([run.folder / "7.h5"], SHOTS, 6)
