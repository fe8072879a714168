"""What may be published: a result whose quality gate is open and whose files are those of its record.

Publishers take a `Publication`, the record with its files, each of which was just compared with the size and
SHA-256 of the record. What others may have put into the folder meanwhile (links, other files, HDF5 files that
refer to the rest of the computer) does not leave it.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatterflow.catalogue.record_file import NAME, delivered_file, read_record
from scatterflow.errors import UserError, shortened
from scatterflow.files.atomic import write_text
from scatterflow.files.json import read_json, to_json
from scatterflow.quality.checks import read_quality

RECEIPTS = "publications.json"
HDF5_SUFFIXES = (".nxs", ".h5", ".hdf", ".hdf5")


@dataclass(frozen=True)
class PublishedFile:
    """A file of a record: where it lies, and what the record says of it."""

    path: Path
    name: str
    """Path relative to the result's folder."""
    bytes: int
    sha256: str
    mime: str
    role: str

    @property
    def is_hdf5(self) -> bool:
        """Whether HDF5 readers open it."""
        return self.path.suffix in HDF5_SUFFIXES


@dataclass(frozen=True)
class Publication:
    """A result that may be published."""

    folder: Path
    record: dict[str, Any]
    files: tuple[PublishedFile, ...]

    @property
    def name(self) -> str:
        """RUN/REDUCTION."""
        return str(self.record["id"])

    @property
    def digest(self) -> str:
        """SHA-256 of what the record says, but for the time when it was written."""
        times = {key: value for key, value in self.record["times"].items() if key != "described"}
        text = to_json(self.record | {"times": times}, indent=None)
        return hashlib.sha256(text.encode()).hexdigest()


def publication(results: str | Path, name: str) -> Publication:
    """The result RUN/REDUCTION below a results folder, ready to be published.

    Raises UserError if there is none, if its quality gate is closed, and if a file is missing, a link, not
    the one that the record describes, or an HDF5 file with links that lead out of it.
    """
    record = read_record(results, name)
    folder = Path(results).absolute() / record["run"] / record["reduction"]
    refuse_failed(record, folder)
    files = tuple(
        PublishedFile(
            delivered_file(results, record, entry["path"]).absolute(), entry["path"], *said
        )
        for entry in record["files"]
        for said in [(entry["bytes"], entry["sha256"], entry["mime"], entry["role"])]
    )
    for file in files:
        _compare(file)
        if file.is_hdf5:
            _refuse_links_out(file.path)
    return Publication(folder, record, files)


def refuse_failed(record: dict[str, Any], folder: Path) -> None:
    """Raise UserError if the quality gate of a result is closed, naming the checks that stop it."""
    if record["quality"]["verdict"] != "fail":
        return
    verdict = folder / "quality.json"
    # The configuration may say which checks stop publication; without a verdict each that failed does.
    stopping = read_quality(verdict).get("stopped_by") if verdict.is_file() else None
    if stopping is None or stopping:
        failed = ", ".join(
            shortened(name)[1:-1] for name in stopping or record["quality"]["failed"]
        )
        raise UserError(
            f"result {record['id']} failed its quality checks ({failed}) and is not published",
            str(verdict),
            "mend what the checks name, or change their limits under `quality`, then run snakemake again",
        )


def result_names(results: str | Path) -> list[str]:
    """RUN/REDUCTION of every result with a record, sorted."""
    return sorted(
        f"{path.parts[-3]}/{path.parts[-2]}" for path in Path(results).glob(f"*/*/{NAME}")
    )


def _compare(file: PublishedFile) -> None:
    """Raise UserError unless a file is the one that the record describes."""
    with open_file(file) as stream:
        status = os.fstat(stream.fileno())
        same = stat.S_ISREG(status.st_mode) and status.st_size == file.bytes
        if same and hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256:
            return
    raise UserError(
        "the file is not the one that its record describes (another size or SHA-256)",
        str(file.path),
        "run snakemake again: it renews the record; or restore the file",
    )


def open_file(file: PublishedFile) -> Any:
    """A published file opened for reading; a link that has taken its place is not followed."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    return open(file.path, "rb", opener=lambda path, _: os.open(path, flags))


def _refuse_links_out(path: Path) -> None:
    """Raise UserError if an HDF5 file takes data from other files: a server would read those too."""
    import h5py

    with h5py.File(path) as file:
        for name, kind in _links_out(file):
            raise UserError(
                f"{shortened(name)} is {kind}: it takes data from another file",
                str(path),
                "results hold their data themselves; run snakemake again",
            )


def _links_out(group: Any) -> Iterator[tuple[str, str]]:
    """Names of links and datasets that lead to other files, and what they are."""
    import h5py

    # Each group once, by its address: hard links may form a circle.
    waiting, seen = [group], {h5py.h5o.get_info(group.id).addr}
    while waiting:
        group = waiting.pop()
        for name in group:
            path = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield path, "an external link"
            if not isinstance(link, h5py.HardLink):
                continue
            item = group[name]
            if isinstance(item, h5py.Dataset) and item.external:
                yield path, "in external storage"
            elif isinstance(item, h5py.Dataset) and item.is_virtual:
                # "." is the file itself.
                if any(source.file_name != "." for source in item.virtual_sources()):
                    yield path, "a virtual dataset"
            elif isinstance(item, h5py.Group):
                address = h5py.h5o.get_info(item.id).addr
                if address not in seen:
                    seen.add(address)
                    waiting.append(item)


# Receipts ----------------------------------------------------------------------------------------


def receipt(published: Publication, target: str) -> dict[str, Any] | None:
    """What was noted when a result was last published to a target; None if it never was."""
    path = published.folder / RECEIPTS
    return read_json(path).get(target) if path.exists() else None


def write_receipt(published: Publication, target: str, entry: dict[str, Any]) -> None:
    """Note what was published, in `publications.json` beside the record."""
    path = published.folder / RECEIPTS
    receipts = read_json(path) if path.exists() else {}
    write_text(path, to_json(receipts | {target: entry}) + "\n")
