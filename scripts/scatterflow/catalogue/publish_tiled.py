"""Results in a Tiled server: one container per result, with the record as metadata, searchable.

    <container>/<run>~<reduction>             the record; `state`, `digest`
    <container>/<run>~<reduction>/result.nxs  an HDF5 file where it lies (external asset): arrays below it

The server reads the files itself: they must lie in its `readable_storage`. Each HDF5 file is registered
once; figures have no adapter in Tiled. A node is `writing` until all is there and `complete` then, so that a
publication that was killed is done again. The digest of the record tells whether there is anything to do.
"""

from __future__ import annotations

from typing import Any

from scatterflow.catalogue.publish import Publication, PublishedFile
from scatterflow.errors import UserError
from scatterflow.files.checksums import value_digest
from scatterflow.registry.tiled_store import CONFLICT, answering, open_container

SPEC = "scatterflow-result"
MIME = "application/x-hdf5"


def connect(address: str) -> Any:
    """Tiled's client of the container that results go to; raises UserError as `open_container`."""
    return open_container(address)


def publish(container: Any, published: Publication) -> str:
    """Register a result or bring it up to date; returns `registered`, `updated` or `unchanged`.

    Raises UserError if the server refuses, or if another thing has the result's key.
    """
    place = f"{container.uri}, node {key_of(published)}"
    with answering(place):
        node, is_new = _node(container, published, place)
        files = _distinct(published)
        if not is_new:
            if _is_complete(node, published, files):
                return "unchanged"
            node.update_metadata({"state": "writing"}, drop_revision=True)
        _register_files(node, files)
        metadata = {**published.record, "state": "complete", "digest": published.digest}
        node.replace_metadata(metadata, specs=[SPEC], drop_revision=is_new)
    return "registered" if is_new else "updated"


def key_of(published: Publication) -> str:
    """Key of a result's node; `~` stands in no name."""
    return published.name.replace("/", "~")


def _node(container: Any, published: Publication, place: str) -> tuple[Any, bool]:
    """The node of a result, and whether it was made just now."""
    key = key_of(published)
    # The record comes last: what is half done is found by no search.
    metadata = {"id": published.name, "state": "writing"}
    try:
        return container.create_container(key, metadata=metadata, specs=[SPEC]), True
    except Exception as error:
        response = getattr(error, "response", None)
        if response is None or response.status_code != CONFLICT:
            raise
    node = container[key]
    if SPEC not in [spec.name for spec in node.specs]:
        raise UserError("another thing has the key of this result", place, "use another container")
    return node, False


def _distinct(published: Publication) -> dict[str, PublishedFile]:
    """Key and file of each HDF5 file; one that is there under two names, as of XPCS, once."""
    found: dict[str, PublishedFile] = {}
    contents: set[tuple[str, str]] = set()
    for file in sorted(published.files, key=lambda file: (file.name != "result.nxs", file.name)):
        if file.is_hdf5 and (file.role, file.sha256) not in contents:
            contents.add((file.role, file.sha256))
            found[file.name.replace("/", "~")] = file
    return found


def _is_complete(node: Any, published: Publication, files: dict[str, PublishedFile]) -> bool:
    metadata = node.metadata
    if metadata.get("state") != "complete" or metadata.get("digest") != published.digest:
        return False
    there = {key: dict(child.metadata) for key, child in node.items()}
    return there == {key: _file_metadata(file) for key, file in files.items()}


def _register_files(node: Any, files: dict[str, PublishedFile]) -> None:
    """Make the children of a result's node those of its files."""
    there = {key: dict(child.metadata) for key, child in node.items()}
    for key, metadata in there.items():
        # The server keeps what it knows of a file: one that has changed is registered anew.
        if key not in files or metadata != _file_metadata(files[key]):
            node.delete_contents(key, recursive=True, external_only=True)
            metadata.pop("sha256", None)
    for key, file in files.items():
        if there.get(key) != _file_metadata(file):
            _register(node, key, file)


def _file_metadata(file: PublishedFile) -> dict[str, Any]:
    """What stands at a file's node, beside the attributes that Tiled reads from the file itself."""
    said = {"file": file.name, "role": file.role, "bytes": file.bytes, "sha256": file.sha256}
    # Where it lies, told to nobody: readers of metadata need not know the folders of the computer.
    return said | {"location": value_digest(str(file.path.resolve()))}


def _register(node: Any, key: str, file: PublishedFile) -> None:
    from tiled.structures.core import StructureFamily
    from tiled.structures.data_source import Asset, DataSource, Management

    asset = Asset(
        data_uri=file.path.resolve().as_uri().replace("file:///", "file://localhost/"),
        is_directory=False,
        parameter="data_uris",
        num=0,
        size=file.bytes,
    )
    source: Any = DataSource(
        structure_family=StructureFamily.container,
        structure=None,
        mimetype=MIME,
        management=Management.external,
        assets=[asset],
    )
    said = _file_metadata(file)
    child = node.new(StructureFamily.container, [source], key=key, metadata=said, specs=["file"])
    _refuse_unreadable(child, file)


def _refuse_unreadable(child: Any, file: PublishedFile) -> None:
    """Raise UserError if the server cannot open a file: it registers any path without a look."""
    # Without the client's repetitions: it would ask for half a minute.
    response = child.context.http_client.get(child.item["links"]["search"])
    if response.is_error:
        raise UserError(
            f"the Tiled server cannot read the file (status {response.status_code})",
            str(file.path),
            "put the results' folder into the server's `readable_storage`, under the same path",
        )
