"""Map files: every frame's numbers and profiles at its grid point, averages, joint runs, refusals."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from scatterflow.errors import UserError
from scatterflow.saxswaxs import map_profiles
from scatterflow.saxswaxs.grid import Grid, GridAxis
from scatterflow.saxswaxs.map_input import MapRun, PerFrame
from scatterflow.saxswaxs.map_placement import place
from scatterflow.saxswaxs.map_profiles import grid_blocks
from scatterflow.saxswaxs.maps import average, structure_map

Q = np.linspace(0.1, 2.0, 25)
CHI = np.linspace(-170.0, 170.0, 6)
DESCRIPTION = {
    "map": "r/x",
    "reduction": "x",
    "experiment": {"title": "Test", "proposal": ""},
}


def profile(z, x):
    """What a frame at a position shows, (frames, bins): different at every point."""
    z, x = np.asarray(z)[:, None], np.asarray(x)[:, None]
    return 100 + 10 * z + x + 7 * z * x * Q


def write_result(path: Path, z, x, q=Q, unit="mm", errors=True) -> str:
    """A result as published in the layout of `saxswaxs.result`, with h5py alone."""
    z, x = np.asarray(z, dtype=float), np.asarray(x, dtype=float)
    frames = len(z)
    with h5py.File(path, "w") as file:
        entry = file.create_group("entry")
        scalars = entry.create_group("scalars")
        scalars["frame_number"] = np.arange(frames)
        scalars["label"] = ["a"] * frames
        for name, values, own in (("samz", z, unit), ("samx", x, "mm"), ("i0", 1000 + x, "counts")):
            scalars[name] = values
            scalars[name].attrs["units"] = own
        shown = profile(z, x)
        for task, axes in (
            ("saxs_azimuthal", {"radial_axis": q}),
            ("saxs_cake", {"azimuthal_axis": CHI, "radial_axis": q}),
        ):
            data = entry.create_group(f"{task}/data")
            values = shown if len(axes) == 1 else shown[:, None, :] * CHI[None, :, None]
            data.create_dataset("I", data=values, chunks=(4, *values.shape[1:]))
            data["I"].attrs["units"] = "arbitrary units"
            if errors:
                data["I_errors"] = 0.1 * np.abs(values)
            for name, positions in axes.items():
                data[name] = positions
                data[name].attrs.update({"units": "1/nm", "pyfai_unit": "q_nm^-1"})
            data["total_signal"] = shown.sum(axis=1)
            data["total_signal"].attrs["units"] = "counts"
        entry["data"] = h5py.SoftLink("/entry/saxs_azimuthal/data")
    return str(path)


def wanted(*axes, **changes):
    return {
        "axes": [{"scalar": name, "tolerance": "auto", "grid": None} for name in axes],
        "shape": None,
        "snake": False,
        "unfinished": False,
        "unplaced": "leave_out",
        "duplicates": "mean",
        "quantities": ["i0", "total_signal"],
        **changes,
    }


def mesh(rows=4, columns=5, missing=(7,), jitter=0.02):
    """A snake with jitter and missing points: readings and true row and column."""
    row, column = np.divmod(np.arange(rows * columns), columns)
    column = np.where(row % 2 == 1, columns - 1 - column, column)
    there = ~np.isin(np.arange(row.size), missing)
    row, column = row[there], column[there]
    random = np.random.default_rng(8)
    z = 1.0 + row + random.uniform(-jitter, jitter, row.size)
    x = -2.0 + 0.5 * column + random.uniform(-jitter, jitter, row.size)
    return z, x, row, column


def make(tmp_path, runs, settings, tasks=("saxs_azimuthal", "saxs_cake")):
    path = tmp_path / "map" / "map.nxs"
    notes = structure_map(runs, settings, list(tasks), DESCRIPTION, path)
    return path, notes


def refusal(tmp_path, runs, settings, tasks=("saxs_azimuthal",)) -> str:
    with pytest.raises(UserError) as caught:
        make(tmp_path, runs, settings, tasks)
    assert caught.value.how
    assert not (tmp_path / "map" / "map.nxs").exists()
    return str(caught.value)


def test_frames_stand_at_their_grid_points(tmp_path):
    z, x, row, column = mesh()
    run = MapRun("r", write_result(tmp_path / "r.nxs", z, x))
    path, notes = make(tmp_path, [run], wanted("samz", "samx"))
    assert notes == ["1 of 20 grid points have no frame"]
    with h5py.File(path) as file:
        entry = file["entry"]
        index = entry["frames/frame_index"][()]
        assert np.array_equal(index[row, column], np.arange(19))
        assert (index == -1).sum() == 1
        assert np.array_equal(entry["frames/frame_count"][()], (index >= 0).astype(int))
        profiles, errors = entry["saxs_azimuthal/I"][()], entry["saxs_azimuthal/I_errors"][()]
        assert profiles.shape == (4, 5, 25)
        assert np.array_equal(profiles[row, column], profile(z, x))
        assert np.array_equal(errors[row, column], 0.1 * profile(z, x))
        assert np.isnan(profiles[index < 0]).all()
        assert np.isnan(errors[index < 0]).all()
        cakes = entry["saxs_cake/I"][()]
        assert cakes.shape == (4, 5, 6, 25)
        assert np.array_equal(cakes[row, column], profile(z, x)[:, None] * CHI[:, None])
        assert np.array_equal(entry["i0/data"][()][row, column], 1000 + x)
        total = entry["total_signal/data"][()]
        assert np.array_equal(total[row, column], profile(z, x).sum(axis=1))
        assert np.isnan(total).sum() == 1
        assert entry["unplaced_frames"].attrs["count"] == 0
        assert np.allclose(entry["i0/samz"][()], 1.0 + np.arange(4), atol=0.02)
        assert entry["i0/samx"].attrs["units"] == "mm"
        found = entry["process_1_map/grid"]
        assert found["points_without_frame"][()] == 1
        assert 0 < found["samx_tolerance"][()] < 0.25


def test_the_default_plot_is_an_image_on_its_axes(tmp_path):
    nexus = pytest.importorskip("silx.io.nxdata")
    z, x, _, _ = mesh()
    run = MapRun("r", write_result(tmp_path / "r.nxs", z, x))
    path, _ = make(tmp_path, [run], wanted("samz", "samx"))
    with h5py.File(path) as file:
        shown = nexus.get_default(file)
        assert shown.group.name == "/entry/i0"
        assert shown.is_valid
        assert shown.is_image
        assert shown.axes_names == ["samz (mm)", "samx (mm)"]
        profiles = nexus.NXdata(file["entry/saxs_azimuthal"])
        assert profiles.is_valid
        assert [axis.shape for axis in profiles.axes] == [(4,), (5,), (25,)]
        assert profiles.errors.shape == (4, 5, 25)


@pytest.mark.parametrize("most", [1, 3_000, 40_000])
def test_blocks_do_not_change_a_bit(tmp_path, monkeypatch, most):
    z, x, _, _ = mesh(rows=5, columns=7, missing=(3, 30, 34))
    z, x = np.tile(z, 2), np.tile(x, 2)
    run = MapRun("r", write_result(tmp_path / "r.nxs", z, x))
    whole, _ = make(tmp_path, [run], wanted("samz", "samx"))
    monkeypatch.setattr(map_profiles, "BLOCK_BYTES", most)
    monkeypatch.setattr(map_profiles, "CHUNK_BYTES", 450)
    (tmp_path / "b").mkdir()
    parts, _ = make(tmp_path / "b", [run], wanted("samz", "samx"))
    with h5py.File(whole) as one, h5py.File(parts) as other:
        for name in ("saxs_azimuthal/I", "saxs_azimuthal/I_errors", "saxs_cake/I"):
            assert one[f"entry/{name}"][()].tobytes() == other[f"entry/{name}"][()].tobytes()


@examples(max_examples=50, deadline=None)
@given(
    shape=st.lists(st.integers(1, 12), min_size=1, max_size=3),
    chunk=st.integers(1, 6),
    most=st.integers(1, 60),
)
def test_blocks_cover_the_grid_once_and_stay_small(shape, chunk, most):
    chunk = min(chunk, shape[-1])
    blocks = list(grid_blocks(shape, chunk, most))
    covered = np.concatenate([np.arange(start, stop) for start, stop in blocks])
    assert np.array_equal(covered, np.arange(np.prod(shape)))
    assert max(stop - start for start, stop in blocks) <= max(most, chunk)
    # A stored chunk is never divided between blocks.
    assert all(start % shape[-1] % chunk == 0 for start, _ in blocks)


def test_repeated_points_are_averaged(tmp_path):
    x = np.array([0.0, 1.0, 2.0, 1.0, 2.0, 2.0])
    z = np.array([0.0, 0.0, 0.0, 0.1, 0.2, 0.4])  # not an axis: what differs between the repeats
    run = MapRun("r", write_result(tmp_path / "r.nxs", z, x))
    path, notes = make(tmp_path, [run], wanted("samx", quantities=["samz"]))
    assert notes == ["2 of 3 grid points hold several frames (mean)"]
    shown = profile(z, x)
    groups = [[0], [1, 3], [2, 4, 5]]
    with h5py.File(path) as file:
        entry = file["entry"]
        assert np.allclose(entry["samz/data"][()], [0, 0.05, 0.2], rtol=1e-14)
        assert np.array_equal(entry["frames/frame_index"][()], [0, 3, 5])
        assert np.array_equal(entry["frames/frame_count"][()], [1, 2, 3])
        intensity, errors = entry["saxs_azimuthal/I"][()], entry["saxs_azimuthal/I_errors"][()]
        for point, frames in enumerate(groups):
            assert np.allclose(intensity[point], shown[frames].mean(axis=0), rtol=1e-14)
            expected = np.sqrt(np.sum((0.1 * shown[frames]) ** 2, axis=0)) / len(frames)
            assert np.allclose(errors[point], expected, rtol=1e-14)
    path, _ = make(tmp_path, [run], wanted("samx", quantities=["samz"], duplicates="last"))
    with h5py.File(path) as file:
        assert np.array_equal(file["entry/samz/data"][()], [0.0, 0.1, 0.4])
        assert np.array_equal(file["entry/saxs_azimuthal/I"][()], shown[[0, 3, 5]])
    path.unlink()
    message = refusal(tmp_path, [run], wanted("samx", duplicates="error"))
    assert "frames 1 and 3 lie on one grid point, as 2 more do" in message


def test_missing_frames_do_not_spoil_an_average(tmp_path):
    path = write_result(tmp_path / "r.nxs", np.zeros(4), [0.0, 1.0, 1.0, 0.0])
    with h5py.File(path, "r+") as file:
        for name in ("I", "I_errors"):
            file[f"entry/saxs_azimuthal/data/{name}"][1] = np.nan
    made, _ = make(tmp_path, [MapRun("r", path)], wanted("samx"), ["saxs_azimuthal"])
    with h5py.File(made) as file:
        intensity = file["entry/saxs_azimuthal/I"][()]
    assert np.array_equal(intensity[1], profile([0.0], [1.0])[0])


def test_numbers_with_errors_have_a_weighted_mean():
    grid = Grid((GridAxis("x", "", np.arange(5.0), 0.1),), np.array([0, 1, 1, 2, 2, 3, 3, -1]))
    quantity = PerFrame(
        np.array([5.0, 1.0, 3.0, 1.0, 3.0, np.nan, 4.0, 9.0]),
        np.array([0.5, 1.0, 0.5, 0.0, 2.0, 1.0, 0.25, 1.0]),
        "",
        "",
    )
    mean, errors = average(place(grid, "mean", "m"), 5, quantity)
    # (1 / 1 + 3 / 0.25) / (1 / 1 + 1 / 0.25); with an error of 0 the plain mean.
    assert np.allclose(mean[:4], [5.0, 13 / 5, 2.0, 4.0], rtol=1e-14)
    assert np.allclose(errors[:4], [0.5, 5**-0.5, 1.0, 0.25], rtol=1e-14)
    assert np.isnan(mean[4])
    assert np.isnan(errors[4])


def test_frames_beside_the_grid_are_listed(tmp_path):
    x = np.array([0.0, 1.0, 0.5, 2.0, np.nan])
    run = MapRun("r", write_result(tmp_path / "r.nxs", np.zeros(5), x))
    axis = {"scalar": "samx", "tolerance": 0.1, "grid": [0.0, 1.0, 2.0]}
    path, notes = make(tmp_path, [run], wanted() | {"axes": [axis]})
    assert notes == [
        "2 of 5 frames lie on no grid point and are left out (listed in unplaced_frames)"
    ]
    with h5py.File(path) as file:
        assert np.array_equal(file["entry/unplaced_frames"], [2, 4])
        assert file["entry/unplaced_frames"].attrs["count"] == 2
        assert file["entry/unplaced_positions"][0, 0] == 0.5
        assert list(file["entry/unplaced_runs"].asstr()) == ["r", "r"]


def test_the_error_of_the_scale_stays_in_a_mean(tmp_path):
    """10 % shared by all frames: not in the weights, whole in the mean of numbers and profiles."""
    grid = Grid((GridAxis("x", "", np.arange(1.0), 0.1),), np.array([0, 0]))
    own, values = np.array([0.2, 0.4]), np.array([8.0, 13.0])
    quantity = PerFrame(values, np.hypot(own, 0.1 * values), "", "", 0.1)
    mean, errors = average(place(grid, "mean", "m"), 1, quantity)
    assert mean[0] == pytest.approx(9.0)  # (8 / 0.04 + 13 / 0.16) / (1 / 0.04 + 1 / 0.16)
    assert errors[0] == pytest.approx(np.hypot(0.9, (1 / 0.04 + 1 / 0.16) ** -0.5))
    x = np.array([0.0, 1.0, 1.0, 2.0])
    path = write_result(tmp_path / "r.nxs", x, x)
    with h5py.File(path, "r+") as file:
        data = file["entry/saxs_azimuthal/data"]
        data["I_errors"][...] = np.hypot(0.1, 0.1) * data["I"][()]
        data["I_errors"].attrs["relative_scale_error"] = 0.1
    made, _ = make(tmp_path, [MapRun("r", path)], wanted("samx"), ["saxs_azimuthal"])
    with h5py.File(made) as file:
        data = file["entry/saxs_azimuthal"]
        relative = data["I_errors"][()] / data["I"][()]
    np.testing.assert_allclose(relative[0], np.hypot(0.1, 0.1))
    np.testing.assert_allclose(relative[1], np.hypot(0.1 / np.sqrt(2), 0.1))


def test_quantities_of_the_analysis(tmp_path):
    z, x, row, column = mesh()
    result = write_result(tmp_path / "r.nxs", z, x)
    with h5py.File(tmp_path / "analysis.nxs", "w") as file:
        group = file.create_group("entry/per_frame")
        group["peak_centre"] = 0.5 + 0.01 * x
        group["peak_centre"].attrs["units"] = "1/nm"
        group["peak_centre_errors"] = 0.001 * (1 + z)
    run = MapRun("r", result, str(tmp_path / "analysis.nxs"))
    path, _ = make(tmp_path, [run], wanted("samz", "samx", quantities=["peak_centre"]), [])
    with h5py.File(path) as file:
        data = file["entry/peak_centre"]
        assert np.array_equal(data["data"][()][row, column], 0.5 + 0.01 * x)
        # Computed as sqrt((w e)^2) / w with w = 1: exact.
        assert np.allclose(data["data_errors"][()][row, column], 0.001 * (1 + z), rtol=1e-15)
        assert data["data"].attrs["units"] == "1/nm"
        assert file["entry"].attrs["default"] == "peak_centre"
    message = refusal(tmp_path / "n", [run], wanted("samx", quantities=["peak_center"]))
    assert "did you mean 'peak_centre'?" in message


def test_the_transmission_of_the_correction(tmp_path):
    z, x, row, column = mesh()
    result = write_result(tmp_path / "r.nxs", z, x)
    with h5py.File(result, "r+") as file:
        process = file.create_group("entry/process_3_absorption")
        process["transmission"], process["transmission_errors"] = 0.5 + 0.01 * x, 0.02 + 0 * x
    settings = wanted("samz", "samx", quantities=["transmission"])
    path, _ = make(tmp_path, [MapRun("r", result)], settings, [])
    with h5py.File(path) as file:
        data = file["entry/transmission"]
        assert np.array_equal(data["data"][()][row, column], 0.5 + 0.01 * x)
        assert np.allclose(data["data_errors"][()][row, column], 0.02, rtol=1e-15)


def test_runs_are_joined(tmp_path):
    z, x, row, column = mesh(rows=6, missing=(7, 20))
    parts = np.array_split(np.arange(z.size), [9, 17])
    runs = [
        MapRun(f"s{i}", write_result(tmp_path / f"{i}.nxs", z[part], x[part]))
        for i, part in enumerate(parts)
    ]
    path, _ = make(tmp_path, runs, wanted("samz", "samx"))
    with h5py.File(path) as file:
        entry = file["entry"]
        assert np.array_equal(entry["saxs_azimuthal/I"][()][row, column], profile(z, x))
        number = np.concatenate([np.arange(part.size) for part in parts])
        member = np.repeat([0, 1, 2], [part.size for part in parts])
        assert np.array_equal(entry["frames/frame_index"][()][row, column], number)
        assert np.array_equal(entry["frames/run_index"][()][row, column], member)
        names = entry["frames/run"].asstr()[()]
        assert np.array_equal(names[row, column], np.array(["s0", "s1", "s2"])[member])
        assert names[1, 2] == ""  # the point that is missing
        assert list(entry["runs"].asstr()) == ["s0", "s1", "s2"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": Q * 1.001}, "the bins of two runs differ"),
        ({"q": np.linspace(0.1, 2.0, 25) + 1e-12}, None),
        ({"unit": "um"}, "'samz' is in 'mm' in run a, in 'um' in run b"),
        ({"errors": False}, "different scales"),
    ],
)
def test_runs_that_do_not_fit_together_are_refused(tmp_path, change, message):
    z, x, _, _ = mesh()
    runs = [
        MapRun("a", write_result(tmp_path / "a.nxs", z, x)),
        MapRun("b", write_result(tmp_path / "b.nxs", z + 4, x, **change)),
    ]
    if message is None:
        make(tmp_path, runs, wanted("samz", "samx"))
    else:
        assert message in refusal(tmp_path, runs, wanted("samz", "samx"))


def test_mistakes_are_told(tmp_path):
    z, x, _, _ = mesh()
    run = MapRun("r", write_result(tmp_path / "r.nxs", z, x))
    assert "did you mean 'samx'?" in refusal(tmp_path, [run], wanted("samz", "sammx"))
    assert "did you mean 'i0'?" in refusal(tmp_path, [run], wanted("samx", quantities=["I0"]))
    assert "text, no number" in refusal(tmp_path, [run], wanted("samx", quantities=["label"]))


def test_a_shape_places_frames_by_their_order(tmp_path):
    _, _, row, column = mesh(missing=())
    run = MapRun("r", write_result(tmp_path / "r.nxs", np.zeros(20), np.zeros(20)))
    path, _ = make(tmp_path, [run], wanted(shape=[4, 5], snake=True), [])
    with h5py.File(path) as file:
        assert np.array_equal(file["entry/frames/frame_index"][()][row, column], np.arange(20))
        assert list(file["entry/i0"].attrs["axes"]) == ["axis_0", "axis_1"]


def test_figures_of_the_map_before_go(tmp_path):
    z, x, _, _ = mesh()
    run = MapRun("r", write_result(tmp_path / "r.nxs", z, x))
    old = [tmp_path / "map/plots/map/gone.png", tmp_path / "map/plots/map.svg"]
    kept = tmp_path / "map/plots/saxs_cake_map.png"
    for path in (*old, kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    make(tmp_path, [run], wanted("samz", "samx"), [])
    assert not any(path.exists() for path in old)
    assert kept.exists()
