"""`scatterflow portal`: make the web site of all results, and serve it to this computer."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from scatterflow.catalogue.command import INDEX
from scatterflow.catalogue.site_viewer import build_viewer, can_build, is_built
from scatterflow.errors import UserError

if TYPE_CHECKING:
    import sqlite3

RESULTS = Path("results")
VIEWER = Path("resources/portal_viewer")
PORT = 8765


def add_options(parser: argparse.ArgumentParser) -> None:
    """Fill the parser of `scatterflow portal`."""
    parser.add_argument("--serve", action="store_true", help="serve it to this computer, read only")
    parser.add_argument(
        "--port", type=int, default=PORT, help="default: %(default)s; 0: any free one"
    )
    parser.add_argument(
        "--copy", metavar="FOLDER", help="write it there, with all files of the results"
    )
    parser.add_argument(
        "--viewer", choices=("auto", "yes", "no"), default="auto",
        help="viewer of NeXus files; auto: where node and npm are installed or it was built before",
    )  # fmt: skip
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.set_defaults(command=portal_command)


def portal_command(options: argparse.Namespace) -> int:
    """Generate the site, say where it is, and serve it if asked to."""
    if options.copy and options.serve:
        raise UserError(
            "a copy is not served", "--copy, --serve", "give the folder to a web server instead"
        )
    from scatterflow.catalogue.index import all_records
    from scatterflow.catalogue.site import generate_site

    results: Path = options.results
    if not results.is_dir():
        raise UserError("there are no results", str(results), "run snakemake first")
    site = Path(options.copy) if options.copy else results / "catalogue" / "site"
    viewer = _viewer(options.viewer)
    with _index_brought_up_to_date(results) as index:
        made = generate_site(
            all_records(index), results, site, viewer=viewer, copy=bool(options.copy)
        )
    plural = "" if made.results == 1 else "s"
    print(f"{site / 'index.html'}: {made.results} result{plural}, {made.files} files")
    if made.left_out:
        print(f"note: {made.left_out} files are not linked, their pages say why", file=sys.stderr)
    if options.serve:
        _serve(results, site, options.port)
    return 0


@contextmanager
def _index_brought_up_to_date(results: Path) -> Iterator[sqlite3.Connection]:
    from scatterflow.catalogue.index import build_index, open_index

    database = results / INDEX
    for message in build_index(results, database).refused:
        print(f"note: left out: {message}", file=sys.stderr)
    with closing(open_index(database)) as index:
        yield index


def _viewer(wanted: str) -> Path | None:
    if wanted == "no":
        return None
    if wanted == "yes" or can_build():
        if not is_built(VIEWER):
            print("building the viewer (once) ...", file=sys.stderr, flush=True)
        try:
            build_viewer(VIEWER)
        except UserError as error:
            if wanted == "yes":
                raise
            print(f"note: the portal is made without its viewer\n{error}", file=sys.stderr)
            return None
        return VIEWER
    if is_built(VIEWER):
        return VIEWER
    print("note: without node and npm the portal has no viewer of NeXus files", file=sys.stderr)
    return None


def _serve(results: Path, site: Path, port: int) -> None:
    from scatterflow.catalogue.site_server import make_server

    with make_server(results, site, port) as server:
        print(f"serving http://127.0.0.1:{server.server_port}/  (Ctrl+C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
