"""Is a run in the raw folder complete? Asked of its source, so that every format answers for itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatterflow.errors import FrameError, UserError
from scatterflow.live.found import FoundState
from scatterflow.live.stillness import Stillness, file_signature
from scatterflow.plan.raw_shots import located_shot_files
from scatterflow.sources.base import RunLocation
from scatterflow.sources.hdf5_links import is_appended_to, open_hdf5
from scatterflow.sources.open import new_source, open_source
from scatterflow.sources.patterns import metadata_path
from scatterflow.sources.shots import open_shots

HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".nxs", ".cxi")


@dataclass(frozen=True)
class Verdict:
    """state: see `scatterflow.live.found`; reason: why the run is not finished."""

    state: FoundState
    reason: str = ""


class CompletenessTest:
    """Tests runs; what was found is kept until a file of the run changes."""

    def __init__(self, stillness: Stillness) -> None:
        self._stillness = stillness
        self._kept: dict[str, tuple[Any, Verdict]] = {}

    def verdict(self, location: RunLocation, settle_s: float, *, growing: bool) -> Verdict:
        """The verdict on a run of `location.frames` frames.

        settle_s: how long its files must not have changed, s; growing: whether it is known from elsewhere
        than these files how many frames it has.
        """
        files = run_files(location)
        if not files:  # at facilities that hand out data, not files
            return _tested(location)
        still = min(self._stillness.of_file(path) for path in files)
        if still < settle_s:
            return Verdict("growing" if growing else "arriving")
        key = f"{location.run}:{location.recipe['format']}:{location.raw}"
        value = (location.frames, tuple((path, file_signature(path)) for path in files))
        kept = self._kept.get(key)
        if kept is None or kept[0] != value:
            verdict = _tested(location) if growing else _still_written(files) or _tested(location)
            self._kept[key] = kept = (value, verdict)
        return kept[1]


def _still_written(files: list[Path]) -> Verdict | None:
    """Not finished where a writer has not closed a file, and nobody knows how many frames it will have."""
    for path in files:
        if path.suffix in HDF5_SUFFIXES and is_appended_to(path):
            reason = "still open for writing; if its writer has died: h5clear -s"
            return Verdict("incomplete", f"{path}: {reason}")
    return None


def run_files(location: RunLocation) -> list[Path]:
    """All files of a run, those that should be there; what can be told of a run whose files are damaged."""
    own = Path(location.root, location.raw.split("::")[0])
    if not _has_frames(location):
        try:
            return located_shot_files(location, location.run)
        except UserError:
            return [own]
    try:
        source = new_source(location)
        try:
            paths = [*source.files(), *source.scalar_files(), *source.shared_files()]
        finally:
            source.close()
        metadata = metadata_path(location)
    except UserError:
        return [own]
    return list(dict.fromkeys([*paths, *([metadata] if metadata else [])])) or [own]


def _has_frames(location: RunLocation) -> bool:
    """Whether the run is one of frames; else it is one of shots."""
    return "frames" in location.recipe


def _tested(location: RunLocation) -> Verdict:
    missing = [path for path in run_files(location) if not path.exists()]
    try:
        if _has_frames(location):
            _try_out_frames(location)
        else:
            _try_out_shots(location)
    except UserError as error:
        state: FoundState = (
            "corrupt" if isinstance(error, FrameError) and not missing else "incomplete"
        )
        return Verdict(state, f"{error.what} ({error.where})")
    if missing and location.recipe.get("missing", "error") != "nan":
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return Verdict("incomplete", f"{missing[0]}{more}: not there")
    return Verdict("finished")


def _try_out_frames(location: RunLocation) -> None:
    """Read what ends a run: its last frame, its scalars. Raises UserError."""
    source = open_source(location)
    try:
        source.scalars()
        if location.recipe.get("missing", "error") == "nan":
            return
        for detector in source.detectors:
            source.read(detector, 0, 1)
            source.read(detector, location.frames - 1, location.frames)
    finally:
        source.close()


def _try_out_shots(location: RunLocation) -> None:
    """Count the shots of all detectors, read the last one. Raises UserError."""
    source = open_shots(location)
    try:
        if source.shots != location.frames:
            raise UserError(
                f"the run table says {location.frames} shots, the raw files hold {source.shots}",
                f"run {location.run}, raw {location.raw}",
            )
        for detector in source.detectors:
            source.read(detector, location.frames - 1, location.frames)
    finally:
        source.close()


def expected_frames(wanted: int | str | None, location: RunLocation) -> int | None:
    """Frames of the complete run: a number, or the product of datasets of the file named by `raw`; None if
    nobody knows, or the file cannot tell yet."""
    if wanted is None or isinstance(wanted, int):
        return wanted
    product = 1
    try:
        with open_hdf5(Path(location.root, location.raw)) as file:
            for name in wanted.split("*"):
                number = file[name.strip()]
                if getattr(number, "size", None) != 1:  # a group, or more than anyone counts
                    return None
                product *= int(number[()].item())
    except (OSError, RuntimeError, KeyError, TypeError, ValueError):
        return None
    return product if product > 0 else None
