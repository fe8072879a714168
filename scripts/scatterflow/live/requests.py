"""What was asked for by `trigger` and `crawl`: one small file each, its name is the handle.

A request names files or folders below the raw folder. It is never changed; how far it has come follows from
the runs that it means.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from scatterflow.errors import UserError, suggestion
from scatterflow.files.json import read_json, write_json
from scatterflow.live.folder import REQUESTS
from scatterflow.plan.raw_folder import without_suffix


@dataclass(frozen=True)
class Request:
    """paths: below the raw folder; reduction: for new runs, empty: that of the configuration; time: s since
    1970."""

    handle: str
    paths: tuple[str, ...]
    reduction: str
    time: float

    def means(self, raw: str) -> bool:
        """Whether a run (`raw` of the run table) is asked for."""
        return any(_means(path, raw) for path in self.paths)


def _means(path: str, raw: str) -> bool:
    """Whether a path below the raw folder means a run: its `raw`, the same without suffix, a folder above it,
    or a file of its numbered series."""
    file = raw.split("::")[0]
    if path in (".", raw, file, without_suffix(file).removesuffix("_master")):
        return True
    series = re.fullmatch(re.escape(raw) + r"[_.-]?\d+", without_suffix(path))
    return file.startswith(f"{path}/") or series is not None


def add_request(paths: Iterable[str], reduction: str, folder: Path = REQUESTS) -> Request:
    """Leave a request for the watcher."""
    handle = time.strftime("%Y%m%dT%H%M%S", time.gmtime()) + "-" + uuid.uuid4().hex[:6]
    request = Request(handle, tuple(paths), reduction, time.time())
    write_json(
        folder / f"{handle}.json",
        {"paths": request.paths, "reduction": reduction, "time": request.time},
    )
    return request


def read_request(handle: str, folder: Path = REQUESTS) -> Request:
    """One request; raises UserError if there is none of this handle."""
    path = folder / f"{handle}.json"
    if "/" in handle or not path.is_file():
        known = {path.stem for path in folder.glob("*.json")}
        raise UserError(f"there is no request {handle!r}", str(folder), suggestion(handle, known))
    content = read_json(path)
    return Request(handle, tuple(content["paths"]), content["reduction"], content["time"])


def read_requests(folder: Path = REQUESTS) -> list[Request]:
    """All requests, the oldest first."""
    return [read_request(path.stem, folder) for path in sorted(folder.glob("*.json"))]


def latest_request(requests: Iterable[Request], raw: str) -> Request | None:
    """The last request that means a run, None if nobody has asked for it."""
    return max(
        (request for request in requests if request.means(raw)),
        key=lambda request: request.time,
        default=None,
    )


def raw_path(path: str, root: str) -> str:
    """A path as a user gives it, relative to the raw folder; raises UserError for one outside of it."""
    given, folder = Path(path), Path(root).resolve()
    candidates = [given.resolve(), (folder / given).resolve()]
    inside = [item for item in candidates if item == folder or folder in item.parents]
    if not inside:
        raise UserError(
            f"{path} is not below the raw folder", f"key raw, now {root}", "give a path below it"
        )
    chosen = next((item for item in inside if item.exists()), inside[0])
    return chosen.relative_to(folder).as_posix()
