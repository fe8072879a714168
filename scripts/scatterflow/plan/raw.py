"""The raw files that each job reads, so that Snakemake can watch them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from scatterflow.errors import UserError, from_os_error
from scatterflow.plan.planned import Planned
from scatterflow.plan.raw_folder import refuse_braces
from scatterflow.plan.targets import result_path
from scatterflow.sources.base import RunLocation, Source
from scatterflow.sources.patterns import metadata_path


def check_raw(planned: Planned) -> None:
    """Raise UserError where the raw data of a run is missing, cut off or contradicts the configuration, as
    far as this can be seen without reading frames."""
    if _simulated(planned) is not None:
        return
    start, stop = planned.raw_range
    with _source(planned, scalars=True) as source:
        for detector in planned.detectors:
            _existing(list(map(str, source.files(detector, start, stop))), planned)
    scalar_files(planned)
    metadata_files(planned)
    shared_files(planned)
    fingerprint(planned, scalars=True)


def frame_files(planned: Planned, start: int, stop: int, *, whole: bool = True) -> list[str]:
    """Files that hold frames start..stop-1 of all detectors of a planned reduction.

    whole: all frames of the run must be there, not only these.
    """
    simulated = _simulated(planned)
    if simulated is not None:
        return [
            path
            for path, detector, first, last in simulated
            if detector is None or (detector in planned.detectors and first < stop and start < last)
        ]
    found: dict[str, None] = {}
    with _source(planned, scalars=False, whole=whole) as source:
        for detector in planned.detectors:
            found.update(dict.fromkeys(map(str, source.files(detector, start, stop))))
    return _existing(list(found), planned)


def scalar_files(planned: Planned) -> list[str]:
    """Files that hold the per-frame scalars and metadata of a run."""
    simulated = _simulated(planned)
    if simulated is not None:
        return [path for path, detector, _, _ in simulated if detector is None]
    with _source(planned, scalars=True) as source:
        if not Path(result_path(planned)).exists():
            source.scalars()  # a wrong name or unit is better known before hours of integration
        return _existing(list(map(str, source.scalar_files())), planned)


def metadata_files(planned: Planned) -> list[str]:
    """The file that describes a run (`metadata` of its source); none where the source names none."""
    path = metadata_path(RunLocation.from_fields(planned.location(scalars=True)))
    if path is None:
        return []
    refuse_braces([str(path)], _where(planned))
    if _simulated(planned) is None and not _is_there(str(path), planned):
        raise UserError(
            f"metadata file {path} does not exist",
            _where(planned),
            f"correct `metadata` of source {planned.row.source!r}, or leave it out",
        )
    return [str(path)]


def shared_files(planned: Planned, *, whole: bool = True) -> list[str]:
    """Files that a run shares with others, and that grow with them (SPEC files): `fingerprint` watches the
    run's part of them, their time stamps say nothing. whole: as in `frame_files`."""
    if _simulated(planned) is not None:
        return []
    with _source(planned, scalars=whole, whole=whole) as source:
        return _existing(list(map(str, source.shared_files())), planned)


def fingerprint(planned: Planned, *, scalars: bool, whole: bool = True) -> str | None:
    """Digest of a run's part of its shared files, None where there are none; scalars: for the result, or
    only what placing the frames needs. whole: as in `frame_files`."""
    if _simulated(planned) is not None:
        return None
    with _source(planned, scalars=scalars, whole=whole) as source:
        return source.fingerprint(scalars=scalars)


def _simulated(planned: Planned) -> list[tuple[str, str | None, int, int]] | None:
    """The demo's files are known before they are made."""
    if planned.configuration.demo is None:
        return None
    from scatterflow.sources.demo import demo_files

    files = demo_files().get(planned.row.raw)
    if files is None:
        return None
    root = Path(planned.configuration.raw)
    return [(str(root / path), detector, first, stop) for path, detector, first, stop in files]


@contextmanager
def _source(planned: Planned, *, scalars: bool, whole: bool = True) -> Iterator[Source]:
    """The source of a run; its files are closed afterwards, a plan may have thousands."""
    raw = planned.configuration.raw
    if not Path(raw).is_dir():
        raise UserError(f"the raw folder {raw} does not exist", "key raw", "correct the path")
    source = _open(planned.location_text(scalars=scalars), whole)
    try:
        yield source
    finally:
        source.close()


@cache
def _open(fields: str, whole: bool) -> Source:
    import json

    from scatterflow.sources.open import new_source, open_source

    location = RunLocation.from_fields(json.loads(fields))
    return open_source(location) if whole else new_source(location)


def _existing(paths: list[str], planned: Planned) -> list[str]:
    refuse_braces(paths, _where(planned))
    found = {path for path in paths if _is_there(path, planned)}
    if planned.source.missing == "nan":
        return [path for path in paths if path in found]
    for path in paths:
        if path not in found:
            raise UserError(
                f"raw file {path} does not exist",
                _where(planned),
                f"check `raw` (now {planned.configuration.raw!r}) and the columns raw and frames",
            )
    return paths


def _is_there(path: str, planned: Planned) -> bool:
    try:
        return Path(path).exists()
    except OSError as error:
        mendable = from_os_error(error)
        if mendable is None:
            raise
        raise mendable.inside(_where(planned)) from error


def _where(planned: Planned) -> str:
    return f"run table {planned.configuration.runs}, run {planned.row.run}"
