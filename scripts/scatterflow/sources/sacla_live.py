"""SACLA runs from the facility's storage and database, through its modules stpy and dbpy.

Recipe:

    format: sacla_live
    beamline: 3
    run_number: 1234567             # without: the run table's `raw`
    detectors: {octal: [MPCCD-8-2-001-1, ..., MPCCD-8-2-001-8], side: MPCCD-1N0-M06-002}
    scalars: {delay: {name: xfel_bl_3_lh1_..., factor: 1.0, unit: ps}}    # equipment keys

Images are ADU, float32 (rows, columns); the panels of a list are the tiles of one detector. The modules are
only at the facility, and not safe after a fork. `scatterflow.sources.sacla` reads what DataConvert writes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from scatterflow.errors import UserError
from scatterflow.sources.base import RunLocation
from scatterflow.sources.facility import FacilitySource, facility_package, needed, run_number
from scatterflow.sources.shots import ordered_tags

INSTEAD = "run at SACLA, or convert the run with DataConvert and read it with format sacla"
INFO = (
    *("mp_absgain", "mp_posx", "mp_posy", "mp_posz", "mp_rotationangle"),
    *("mp_pixelsizex", "mp_pixelsizey", "mp_manipulator_shift", "xsize", "ysize"),
)


class SaclaLiveSource(FacilitySource):
    """See `ShotSource`."""

    def __init__(self, location: RunLocation) -> None:
        super().__init__(location)
        self._database = facility_package("dbpy", location, INSTEAD)
        self._storage = facility_package("stpy", location, INSTEAD)
        self._beamline = int(needed(location, "beamline", "the number of the beamline, as 3"))
        self._number = run_number(location)
        listed = self._database.read_taglist_byrun(self._beamline, self._number)
        self.tags, _, notes = ordered_tags(np.asarray(listed, np.int64), "tags")
        self.notes += notes
        self._high_tag = self._database.read_hightagnumber(self._beamline, self._number)
        configured = location.recipe.get("detectors") or {}
        self._panels = {
            name: [entry] if isinstance(entry, str) else list(entry)
            for name, entry in configured.items()
        }
        self._readers: dict[str, tuple[Any, Any]] = {}
        self._open_detectors(list(configured))

    def metadata(self) -> dict[str, Any]:
        """Run, and `detectors` = {name: what the storage says of each panel}."""
        detectors = {
            name: [self._info(panel) for panel in self._panels[name]] for name in self.detectors
        }
        return {
            "facility": "SACLA",
            "tag": "tag number",
            "beamline": self._beamline,
            "run_number": self._number,
            "detectors": {k: v if len(v) > 1 else v[0] for k, v in detectors.items()},
        }

    def _images(self, detector: str, start: int, stop: int) -> list[np.ndarray | None]:
        return [self._image(detector, int(tag)) for tag in self.tags[start:stop]]

    def _first_image(self, detector: str) -> np.ndarray | None:
        images = (self._image(detector, int(tag)) for tag in self.tags)
        return next((image for image in images if image is not None), None)

    def _numbers(self, name: str, start: int, stop: int) -> np.ndarray:
        tags = tuple(int(tag) for tag in self.tags[start:stop])
        try:
            values = self._database.read_syncdatalist_float(name, self._high_tag, tags)
        except Exception as error:
            raise UserError(
                f"the database has no values of {name!r} ({error})",
                f"run {self.location.run}",
                "correct the equipment key",
            ) from error
        return np.asarray(values, np.float64)

    def _image(self, detector: str, tag: int) -> np.ndarray | None:
        tiles = []
        for panel in self._panels[detector]:
            reader, buffer = self._reader(panel)
            try:
                reader.collect(buffer, tag)
            except self._storage.APIError:
                return None
            tiles.append(np.array(buffer.read_det_data(0)))
        return np.stack(tiles) if len(tiles) > 1 else tiles[0]

    def _info(self, panel: str) -> dict[str, Any]:
        stated = self._reader(panel)[1].read_det_info(0)
        return {"detector_name": panel, **{key: stated[key] for key in INFO if key in stated}}

    def _reader(self, panel: str) -> tuple[Any, Any]:
        if panel not in self._readers:
            try:
                reader = self._storage.StorageReader(panel, self._beamline, (self._number,))
            except self._storage.APIError as error:
                raise UserError(
                    f"the run has no detector {panel!r} ({error})",
                    f"run {self.location.run}",
                    "correct the detector ID",
                ) from error
            self._readers[panel] = reader, self._storage.StorageBuffer(reader)
        return self._readers[panel]
