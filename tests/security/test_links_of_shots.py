"""Attack 6 on files of shots and q-maps: links, virtual sources, raw storage that show other files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.errors import UserError
from scatterflow.sources.shot_writers import write_euxfel, write_sacla, write_smalldata
from tests.sources.shot_runs import opened

SECRET = "the password of somebody else"
SHOTS = 4


def smalldata(folder: Path) -> tuple[Path, str, str]:
    path = folder / "run.h5"
    times = (np.arange(SHOTS, dtype=np.int64) << 32) + 7
    write_smalldata(path, times, {"ipm2/sum": np.ones(SHOTS)}, {"UserDataCfg/ipm2/note": 1.0})
    return path, "ipm2/sum", "UserDataCfg/ipm2/note"


def sacla(folder: Path) -> tuple[Path, str, str]:
    path = folder / "run.h5"
    frames = {"MPCCD-1": np.ones((SHOTS, 3, 4), np.float32)}
    write_sacla(path, 1, np.arange(SHOTS), frames, event_info={"bm_1_signal": np.ones(SHOTS)})
    return path, "run_1/event_info/bm_1_signal", "run_1/exp_info/comment"


def shot_hdf5(folder: Path) -> tuple[Path, str, str]:
    path = folder / "run.h5"
    with h5py.File(path, "w") as file:
        file["tags"] = np.arange(SHOTS)
        file["motors/delay"] = np.ones(SHOTS)
        file["about"] = 1.0
    return path, "motors/delay", "about"


def euxfel(folder: Path) -> tuple[Path, str, str]:
    values = {"SPB_X/MOTOR/Y/actualPosition": np.ones(SHOTS)}
    frames = {"SPB_DET_AGIPD1M-1": np.ones((SHOTS, 1, 2, 2), np.float32)}
    run_values = {"SPB_X/MOTOR/Y/target": 1.0}
    trains = np.arange(100, 100 + SHOTS)
    paths = write_euxfel(
        *(folder / "r0001", 1, trains, [0], frames), control=values, run_values=run_values
    )
    place = "SPB_X/MOTOR/Y"
    return paths[-1], f"CONTROL/{place}/actualPosition/value", f"RUN/{place}/target/value"


FORMATS = {"smalldata": smalldata, "sacla": sacla, "shot_hdf5": shot_hdf5, "euxfel": euxfel}


def read_all(path: Path, form: str) -> str:
    """Everything that a source tells of a run, as text."""
    raw = path.parent.name if form == "euxfel" else path.name
    root = path.parent.parent if form == "euxfel" else path.parent
    more = {"tags": "/tags"} if form == "shot_hdf5" else {}
    source = opened(root, raw, form, **more)
    table = source.scalars()
    return f"{source.metadata()} {source.slow()} {table.to_dict()}"


def external_link(file: h5py.File, name: str, outside: Path) -> None:
    file[name] = h5py.ExternalLink(str(outside / "other.h5"), "/values")


def link_by_way_of_the_working_folder(file: h5py.File, name: str, outside: Path) -> None:
    """HDF5 looks for a name that is not beside the file in the folder where the program runs."""
    file[name] = h5py.ExternalLink("other.h5", "/values")


def virtual_dataset(file: h5py.File, name: str, outside: Path) -> None:
    layout = h5py.VirtualLayout((SHOTS,), np.float64)
    layout[:] = h5py.VirtualSource(str(outside / "other.h5"), "/values", (SHOTS,))
    file.create_virtual_dataset(name, layout)


def names_by_pattern(file: h5py.File, name: str, outside: Path) -> None:
    space = h5py.h5s.create_simple((SHOTS,), (h5py.h5s.UNLIMITED,))
    space.select_hyperslab((0,), (h5py.h5s.UNLIMITED,), (SHOTS,), (SHOTS,))
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_virtual(space, b"%b.h5", b"/values", h5py.h5s.create_simple((SHOTS,)))
    space.select_all()
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F64LE, space, properties, links)


def raw_storage(file: h5py.File, name: str, outside: Path) -> None:
    storage = [(str(outside / "secret.txt"), 0, 8 * SHOTS)]
    file.create_dataset(name, (SHOTS,), np.float64, external=storage)


def text_in_raw_storage(file: h5py.File, name: str, outside: Path) -> None:
    storage = [(str(outside / "secret.txt"), 0, len(SECRET))]
    file.create_dataset(name, (1,), f"S{len(SECRET)}", external=storage)


def claims_more_than_any_run(file: h5py.File, name: str, outside: Path) -> None:
    file.create_dataset(name, (10**12,), np.float64, chunks=(1000,))


ATTACKS = [
    external_link,
    link_by_way_of_the_working_folder,
    virtual_dataset,
    names_by_pattern,
    raw_storage,
    text_in_raw_storage,
    claims_more_than_any_run,
]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files that nobody may show, where the workflow runs."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_text(SECRET * 5)
    with h5py.File(folder / "other.h5", "w") as file:
        file["values"] = np.full(SHOTS, 1234.5)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
@pytest.mark.parametrize("form", FORMATS)
def test_refused(tmp_path: Path, outside: Path, form: str, attack: Callable[..., None]) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    path, scalar, text = FORMATS[form](raw)
    name = text if attack is text_in_raw_storage else scalar
    with h5py.File(path, "r+") as file:
        del file[name]
        attack(file, name, outside)
    with pytest.raises(UserError, match=r"folder|another file|not beside|claims") as caught:
        read_all(path, form)
    assert SECRET not in str(caught.value)
    with pytest.raises(UserError):  # nor at a second look
        read_all(path, form)


def test_joined_files_beside_each_other_are_read(tmp_path: Path) -> None:
    """A run whose parts a virtual dataset joins, as LCLS writes them; a part that leads out is refused."""
    path, scalar, _ = smalldata(tmp_path)
    with h5py.File(tmp_path / "part0.h5", "w") as file:
        file["values"] = np.full(SHOTS, 2.5)
    with h5py.File(path, "r+") as file:
        del file[scalar]
        layout = h5py.VirtualLayout((SHOTS,), np.float64)
        layout[:] = h5py.VirtualSource("part0.h5", "/values", (SHOTS,))
        file.create_virtual_dataset(scalar, layout)
    assert "2.5" in read_all(path, "smalldata")
    with h5py.File(tmp_path / "part0.h5", "w") as file:
        file["values"] = h5py.ExternalLink("/etc/passwd.h5", "/x")
    path.touch()
    with pytest.raises(UserError, match=r"part0\.h5"):
        read_all(path, "smalldata")


@pytest.mark.parametrize("attack", [external_link, raw_storage], ids=lambda attack: attack.__name__)
def test_a_qmap_that_leads_out_is_refused(
    tmp_path: Path, outside: Path, attack: Callable[..., None]
) -> None:
    path = tmp_path / "maps" / "qmap.hdf"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["qmap/dynamic_roi_map"] = np.ones((4, 4), np.int64)
        attack(file, "qmap/static_roi_map", outside)
    with pytest.raises(UserError, match=r"folder|another file"):
        read_qmap(path)
