"""Where the pixels of a detector are: x, y, z in mm, each of a frame's shape.

z counts along the beam from the plane that the detector's distance is given to. Whoever has placed the
detector has chosen the axes:

    PONI, pyFAI     x along axis 2, y along axis 1 of the laboratory, the beam at x = y = 0; z from `distance`
    CrystFEL        `.geom`: see scatterflow.detectors.crystfel
    quadrants       EXtra-geom's positions of an European XFEL camera from those of its four quadrants
    HDF5            see scatterflow.detectors.stored_positions
    SACLA           what DataConvert writes of each panel: panel origin + R(angle) (column, row) * pixel size;
                    the detector's distance says where the plane is, z is that of the panels among each other
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from scatterflow.detectors.crystfel import crystfel_good, crystfel_positions
from scatterflow.detectors.geometry import load_geometry
from scatterflow.detectors.stored_positions import MM, Positions, stored_positions
from scatterflow.errors import UserError, suggestion
from scatterflow.files.hdf5 import reading
from scatterflow.geometry_kind import PIXEL_FILES, SOURCE

if TYPE_CHECKING:
    import h5py

SACLA_KEYS = (
    "detector_coordinate_in_micro_meter",
    "detector_rotation_angle_in_degree",
    "pixel_size_in_micro_meter",
)


def load_positions(
    detector: Mapping[str, Any],
    shape: Sequence[int],
    name: str,
    metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
) -> Positions:
    """x, y, z of all pixels, float64, mm, each of shape (rows, columns) or (tiles, rows, columns).

    detector: settings with `geometry`: a path (PONI; .geom; .h5, `file.h5::/group`), explicit pyFAI
    parameters, {family, quadrants}, or "source": what `metadata`, of the run's files, say of the detector;
    for pyFAI `orientation`. shape: of a frame. name: for messages. Raises UserError: no geometry, one that
    cannot be read, or one of another shape.
    """
    geometry = detector.get("geometry")
    place = f"detector {name}, geometry {geometry if isinstance(geometry, str) else ''}".rstrip()
    if geometry is None:
        raise UserError(
            "the positions of the pixels are not known", f"detector {name}", "give it a `geometry`"
        )
    if geometry == SOURCE:
        return _source_positions(metadata, shape, place)
    if not isinstance(geometry, str):
        if "quadrants" in geometry:
            return quadrant_positions(geometry["family"], geometry["quadrants"], shape, place)
        return _pyfai_positions(detector, shape, name)
    path, _, group = geometry.partition("::")
    if Path(path).suffix == ".geom":
        return crystfel_positions(path, shape, place)
    if Path(path).suffix in PIXEL_FILES:
        with reading(path, "correct the path") as file:
            return stored_positions(_group(file, group, place), shape, place)
    return _pyfai_positions(detector, shape, name)


def marked_good(detector: Mapping[str, Any], shape: Sequence[int], name: str) -> np.ndarray:
    """(*shape) bool: pixels that the geometry does not mark as bad; only CrystFEL files mark any.

    Arguments and errors as for `load_positions`.
    """
    geometry = detector.get("geometry")
    if not isinstance(geometry, str) or Path(geometry).suffix != ".geom":
        return np.ones(tuple(shape), dtype=bool)
    return crystfel_good(geometry, shape, f"detector {name}, geometry {geometry}")


def quadrant_positions(
    family: str, quadrants: Sequence[Sequence[float]], shape: Sequence[int], place: str
) -> Positions:
    """Positions of a European XFEL camera.

    family: of EXtra-geom, as AGIPD_1M, LPD_1M, DSSC_1M; quadrants: (4, 2) their positions, as EXtra-geom
    takes them (pixels for AGIPD, else mm). Raises UserError.
    """
    import extra_geom

    families = {
        one.removesuffix("Geometry"): getattr(extra_geom, one)
        for one in dir(extra_geom)
        if hasattr(getattr(extra_geom, one), "from_quad_positions")
    }
    if family not in families:
        raise UserError(f"no camera {family!r} of quadrants", place, suggestion(family, families))
    if np.shape(quadrants) != (4, 2):
        raise UserError(
            f"quadrants of shape {np.shape(quadrants)}", place, "give x and y of four quadrants"
        )
    pairs = [tuple(map(float, pair)) for pair in quadrants]
    found = families[family].from_quad_positions(pairs).get_pixel_positions() * 1000
    if found.shape[:-1] != tuple(shape):
        raise UserError(
            f"{family} has frames of {found.shape[:-1]}, this detector of {tuple(shape)}",
            place,
            "choose the geometry of this detector",
        )
    x, y, z = np.ascontiguousarray(np.moveaxis(found, -1, 0))
    return x, y, z


def sacla_positions(
    panels: Sequence[Mapping[str, Any]], shape: Sequence[int], place: str
) -> Positions:
    """Positions of the panels of a SACLA detector, in the order of its tiles.

    panels: detector_info of each, by the names of DataConvert. The manipulator's position has moved them
    along the stage's direction, by its weight. Raises UserError where a panel lacks an entry.
    """
    rows, columns = shape[-2:]
    tiles = int(np.prod(shape[:-2], dtype=int))
    if len(panels) != tiles:
        raise UserError(
            f"{len(panels)} panels for {tiles} tiles", place, "list the panels of this detector"
        )
    row, column = np.indices((rows, columns), dtype=np.float64)
    found = np.empty((3, tiles, rows, columns))
    for tile, panel in enumerate(panels):
        for key in SACLA_KEYS:
            if key not in panel:
                raise UserError(
                    f"the run's files do not say {key}", place, "give a file with the geometry"
                )
        origin = np.array(panel[SACLA_KEYS[0]], dtype=np.float64) + _stage_shift(panel)
        angle = np.radians(float(panel[SACLA_KEYS[1]]))
        wide, high = np.broadcast_to(np.asarray(panel[SACLA_KEYS[2]], dtype=np.float64), 2)
        right, down = column * wide, row * high
        found[0, tile] = origin[0] + np.cos(angle) * right - np.sin(angle) * down
        found[1, tile] = origin[1] + np.sin(angle) * right + np.cos(angle) * down
        found[2, tile] = origin[2]
    found[2] -= found[2].mean()
    x, y, z = found.reshape(3, *shape) * MM["um"]
    return x, y, z


def _stage_shift(panel: Mapping[str, Any]) -> np.ndarray:
    """What the manipulator has moved a panel by, um."""
    moved = float(panel.get("manipulator_position_in_micro_meter", 0.0))
    moved *= float(panel.get("detector_stage_shift_weight", 0.0))
    direction = np.radians(float(panel.get("detector_stage_direction_in_degree", 0.0)))
    return moved * np.array([np.cos(direction), np.sin(direction), 0.0])


def _source_positions(
    metadata: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None,
    shape: Sequence[int],
    place: str,
) -> Positions:
    if not metadata:
        raise UserError(
            "the run's files do not say where pixels are", place, "give a file with the geometry"
        )
    panels = [metadata] if isinstance(metadata, Mapping) else metadata
    return sacla_positions(panels, shape, place)


def _pyfai_positions(detector: Mapping[str, Any], shape: Sequence[int], name: str) -> Positions:
    """Tiles stand one below the other in pyFAI's one plane."""
    stacked = (int(np.prod(shape[:-1])), int(shape[-1]))
    integrator = load_geometry({**detector, "shape": stacked}, name)
    along, up, across = (
        np.array(part, dtype=np.float64).reshape(shape) * 1000
        for part in integrator.calc_pos_zyx(corners=False)
    )
    return across, up, along - integrator.dist * 1000


def _group(file: h5py.File, name: str, place: str) -> h5py.Group:
    import h5py

    found = file.get(name or "/")
    if not isinstance(found, h5py.Group):
        raise UserError(f"no group {name}", place, suggestion(name, file))
    return found
