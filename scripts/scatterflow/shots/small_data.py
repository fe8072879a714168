"""Reading small data files: one row per shot, under the paths that LCLS users know.

    data = open_small_data("results/1001/pumpprobe/1001.h5")
    data.read("ipm2/sum")                 # (shots,) values; also `delay`, for variables/delay
    data.lists("ccd/droplets_photons")    # lists of variable length (photons of each shot)
    data.passed(["light", "on"])          # shots that pass filters
    data.frame()                          # all scalars per shot, pandas
    data.dataset()                        # all arrays per shot with the tag as coordinate, xarray

The layout is in `scatterflow.shots.merge`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import dataset_names, reading
from scatterflow.shots.ragged import Ragged
from scatterflow.shots.variables import GROUP

if TYPE_CHECKING:
    import pandas as pd

FILTERS = "filters"
LISTS = "var_"
ONCE = ("Sums", "UserDataCfg", "provenance")
MONITORS = ("/sum", "/pulse")


class SmallData:
    """A small data file; opened anew for each read, so that it may be kept as long as one likes."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with reading(self.path) as file:
            if "tag" not in file or "creator" not in file.attrs:
                raise UserError(
                    "no small data file of scatterflow",
                    str(path),
                    "those of smalldata_tools are read as raw data, format smalldata",
                )
            self.tags: np.ndarray = file["tag"][()]
            self._units = {
                name: str(file[name].attrs.get("units", ""))
                for name in dataset_names(file)
                if name.split("/")[0] not in ONCE and len(file[name].shape) >= 1
            }

    @property
    def shots(self) -> int:
        """Number of shots."""
        return len(self.tags)

    def names(self) -> list[str]:
        """Paths of all values per shot, lists of variable length left out."""
        return [name for name in self._units if f"/{LISTS}" not in name and name != "tag"]

    def list_names(self) -> list[str]:
        """Names of the lists of variable length, `<detector>/<function>_<key>`."""
        ends = [name for name in self._units if f"/{LISTS}" in name and name.endswith("_len")]
        return [name.removesuffix("_len").replace(f"/{LISTS}", "/") for name in ends]

    def path_of(self, name: str) -> str:
        """Path of a value per shot by its name; raises UserError, with the nearest, if there is none."""
        known = set(self.names())
        for path in (name, f"{GROUP}/{name}"):
            if path in known:
                return path
        short = {path.removeprefix(f"{GROUP}/") for path in known}
        raise UserError(f"the run has no value {name!r}", str(self.path), suggestion(name, short))

    def read(self, name: str, start: int = 0, stop: int | None = None) -> np.ndarray:
        """Values of shots start..stop-1, (n, ...); raises UserError for a name that is not known."""
        path = self.path_of(name)
        with reading(self.path) as file:
            values: np.ndarray = file[path][start:stop]
        return values

    def unit(self, name: str) -> str:
        """Unit of a value, empty: none."""
        return self._units[self.path_of(name)]

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a value of one shot."""
        with reading(self.path) as file:
            return tuple(file[self.path_of(name)].shape[1:])

    def fixed(self, name: str) -> np.ndarray:
        """What is the same for all shots, as `ccd/azimuthal_q`, or sums, as `Sums/ccd_calib`."""
        with reading(self.path) as file:
            detector, _, key = name.partition("/")
            for path in (name, f"UserDataCfg/{detector}/{key}"):
                if isinstance(file.get(path), h5py.Dataset):
                    values: np.ndarray = file[path][()]
                    return values
            known = [f"Sums/{one}" for one in file.get("Sums", {})]
            known += [
                f"{d}/{k}" for d in file.get("UserDataCfg", {}) for k in file["UserDataCfg"][d]
            ]
        raise UserError(f"the run has no {name!r}", str(self.path), suggestion(name, known))

    def lists(self, name: str, start: int = 0, stop: int | None = None) -> Ragged:
        """Lists of shots start..stop-1; raises UserError for a name that is not known."""
        detector, _, key = name.partition("/")
        place = f"{detector}/{LISTS}{key}"
        with reading(self.path) as file:
            if place not in file:
                raise UserError(
                    f"no lists {name!r}", str(self.path), suggestion(name, self.list_names())
                )
            lengths = file[f"{place}_len"][()]
            ends = np.concatenate([[0], np.cumsum(lengths)])
            start, stop, _ = slice(start, stop).indices(len(lengths))
            first, last = int(ends[start]), int(ends[max(start, stop)])
            values = {key: dataset[first:last] for key, dataset in file[place].items()}
        return Ragged(lengths[start:stop], values)

    @cached_property
    def scalars(self) -> dict[str, np.ndarray]:
        """All numbers per shot, (n,) by path, as `read_measured` gives them; computed variables by their bare
        name as well."""
        with reading(self.path) as file:
            found = read_scalars(file, self.shots)
        for name in list(found):
            if name.startswith(f"{GROUP}/"):
                found.setdefault(name.removeprefix(f"{GROUP}/"), found[name])
        return found

    def monitors(self) -> list[str]:
        """Intensity monitors: sums, then values per pulse, of groups that are no detector; those that are put
        together out of several diodes, and so have a position, come before each of these."""
        with reading(self.path) as file:
            detectors = set(file.get("UserDataCfg", ()))
        found = [name for name in self.scalars if name.split("/")[0] not in detectors]

        def rank(name: str) -> tuple[bool, bool, str]:
            position = f"{name.rpartition('/')[0]}/xpos"
            return not name.endswith("/sum"), position not in self.scalars, name

        return sorted((name for name in found if name.endswith(MONITORS)), key=rank)

    def passed(self, filters: Sequence[str]) -> np.ndarray:
        """(n,) bool, shots that pass all of these filters. Raises UserError for one that is not known."""
        found = np.ones(self.shots, bool)
        with reading(self.path) as file:
            known = file.get(FILTERS, {})
            for name in filters:
                if name not in known:
                    raise UserError(
                        f"no filter {name!r}", str(self.path), suggestion(name, list(known))
                    )
                found &= known[name][()].astype(bool)
        return found

    def frame(self) -> pd.DataFrame:
        """All numbers per shot, indexed by tag; `attrs["units"]`."""
        import pandas as pd

        names = [name for name in self.names() if name in self.scalars]
        table = pd.DataFrame(
            {name: self.scalars[name] for name in names}, index=pd.Index(self.tags, name="tag")
        )
        table.attrs["units"] = {name: self._units[name] for name in names}
        return table

    def dataset(self) -> Any:
        """All values per shot as an xarray.Dataset with the coordinate `tag`; reads everything."""
        try:
            import xarray
        except ModuleNotFoundError:
            raise UserError(
                "the package xarray is not installed", "SmallData.dataset", "pip install xarray"
            ) from None

        arrays = {}
        for name in self.names():
            values = self.read(name)
            inner = [f"{name}_{axis}" for axis in range(values.ndim - 1)]
            arrays[name] = (["tag", *inner], values, {"units": self._units[name]})
        return xarray.Dataset(arrays, coords={"tag": self.tags})


def read_scalars(file: h5py.File, shots: int) -> dict[str, np.ndarray]:
    """All numbers per shot of an open file, (shots,) by path."""
    found: dict[str, np.ndarray] = {}
    for name in dataset_names(file):
        dataset = file[name]
        if name == "tag" or name.split("/")[0] in ONCE or f"/{LISTS}" in name:
            continue
        if dataset.shape == (shots,) and dataset.dtype.kind in "biuf":
            found[name] = read_measured(file, name)
    return found


def read_measured(
    file: h5py.File, path: str, start: int = 0, stop: int | None = None
) -> np.ndarray:
    """(n, ...) values of shots start..stop-1 of an open file; those of a detector that was absent are NaN.

    Stored they are so among floats, but 0 among integers: these become float64 if any is absent.
    """
    values: np.ndarray = file[path][start:stop]
    presence = f"damage/{path.partition('/')[0]}"
    if values.dtype.kind == "f" or presence not in file:
        return values
    absent = file[presence][start:stop] <= 0
    if not absent.any():
        return values
    known = values.astype(np.float64)
    known[absent] = np.nan
    return known


def open_small_data(path: str | Path) -> SmallData:
    """A small data file; raises UserError if it is missing or none of scatterflow."""
    return SmallData(path)
