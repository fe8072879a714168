"""Opening the source of a run, by the format of its recipe, and holding it against the run table."""

from __future__ import annotations

from scatterflow.errors import UserError, suggestion
from scatterflow.sources.base import RunLocation, Source


def open_source(location: RunLocation) -> Source:
    """The source of a run, checked: its detectors, their shapes, its number of frames.

    Only what the check needs is read: per detector one file's header, the names of the last files.
    Raises UserError (FrameError for a raw file that is missing or damaged).
    """
    source = new_source(location)
    check_source(source, location)
    return source


def open_growing_source(location: RunLocation) -> Source:
    """As `open_source` for a run that may still be written: how many frames there are is not asked, the
    frames that are read must be there."""
    source = new_source(location)
    _check_shapes(source, location)
    return source


def new_source(location: RunLocation) -> Source:
    """The source of a run, not checked: for its `files`, which may not exist yet.

    Raises UserError for an unknown format or a bad pattern.
    """
    form = location.recipe["format"]
    if form == "images":
        from scatterflow.sources.images import ImageSource

        return ImageSource(location)
    if form == "hdf5":
        from scatterflow.sources.hdf5 import Hdf5Source

        return Hdf5Source(location)
    if form == "spec":
        from scatterflow.sources.spec import SpecSource

        return SpecSource(location)
    if form == "imm":
        from scatterflow.sources.imm import imm_source

        return imm_source(location)
    if form == "rigaku":
        from scatterflow.sources.rigaku import rigaku_source

        return rigaku_source(location)
    if form == "ufxc":
        from scatterflow.sources.ufxc import ufxc_source

        return ufxc_source(location)
    if form == "timepix4":
        from scatterflow.sources.timepix4 import timepix4_source

        return timepix4_source(location)
    raise UserError(
        f"unknown format {form!r} of a source",
        f"run {location.run}",
        suggestion(str(form), ["images", "hdf5", "spec", "imm", "rigaku", "ufxc", "timepix4"]),
    )


def check_source(source: Source, location: RunLocation) -> None:
    """Raise UserError where a source contradicts the run table or the configured detectors."""
    for name in location.shapes:
        if name not in location.recipe["frames"]:
            raise UserError(
                f"the source has no frames of detector {name!r}",
                f"run {location.run}",
                suggestion(name, location.recipe["frames"]),
            )
    # A source knows best how to count without reading everything, and which file to name.
    check = getattr(source, "check", None)
    if check is not None:
        check()
    if source.frames != location.frames:
        raise UserError(
            f"the run table says {location.frames} frames, the raw files hold {source.frames}",
            f"run {location.run}, raw {location.raw}",
            "correct the column `frames` of the run table",
        )
    _check_shapes(source, location)


def _check_shapes(source: Source, location: RunLocation) -> None:
    for name, shape in location.shapes.items():
        found = source.detectors[name].shape
        if tuple(found) != tuple(shape):
            raise UserError(
                f"the frames have shape {found[0]} x {found[1]}, the configuration says "
                f"{shape[0]} x {shape[1]}",
                f"run {location.run}, detector {name}",
                f"correct detectors.{name}.shape (rows, columns), or the source's frames",
            )
