"""Commands `index` and `search`."""

from __future__ import annotations

import argparse
import sqlite3
from contextlib import closing
from pathlib import Path

from scatterflow.catalogue.facet_values import FACETS

INDEX = "catalogue/index.sqlite"
"""Below the results folder."""


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add both commands to the command line."""
    text = "the index of all results: bring it up to date"
    index = commands.add_parser("index", help=text, description=text)
    index.add_argument("--full", action="store_true", help="read every record again")
    _add_results(index)
    index.set_defaults(command=_index)
    text = "find results by words, sample, technique, date, ..."
    search = commands.add_parser("search", help=text)
    search.description = (
        "Find results that hold all the words (or words that begin so) and fit the options; an option given "
        "twice takes both."
    )
    search.add_argument("text", nargs="*", metavar="WORD", help="words to look for")
    for facet, what in FACETS.items():
        search.add_argument(f"--{facet}", action="append", metavar="VALUE", help=what)
    search.add_argument("--since", metavar="DATE", help="first day, 2026-01-15 (or month, or year)")
    search.add_argument("--until", metavar="DATE", help="last day")
    form = search.add_mutually_exclusive_group()
    form.add_argument("--facets", action="store_true", help="count what else could be chosen")
    form.add_argument("--json", action="store_true", help="print the whole records")
    form.add_argument("--csv", action="store_true", help="print a table for a spreadsheet")
    _add_results(search)
    search.set_defaults(command=_search)


def _add_results(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--results", default="results", metavar="FOLDER", help="default: %(default)s"
    )


def _index(options: argparse.Namespace) -> int:
    from scatterflow.catalogue.index import build_index
    from scatterflow.errors import UserError

    if not Path(options.results).is_dir():
        raise UserError(
            "there is no folder of results",
            options.results,
            "run it in the folder where snakemake runs, or give --results",
        )
    done = build_index(options.results, Path(options.results) / INDEX, options.full)
    print(
        f"{done.records} records: {done.added} added, {done.changed} changed, {done.removed} removed, "
        f"{len(done.refused)} refused"
    )
    for message in done.refused:
        print(f"refused: {message}")
    return 1 if done.refused else 0


def _search(options: argparse.Namespace) -> int:
    from scatterflow.catalogue.index import damaged, open_index
    from scatterflow.catalogue.index_search import facets, search
    from scatterflow.catalogue.search_output import csv_text, facet_table, table
    from scatterflow.files.json import to_json

    filters = {name: getattr(options, name) for name in FACETS if getattr(options, name)}
    filters |= {
        name: [getattr(options, name)] for name in ("since", "until") if getattr(options, name)
    }
    text, path = " ".join(options.text), Path(options.results) / INDEX
    try:
        with closing(open_index(path)) as index:
            if options.facets:
                print(facet_table(facets(index, text, filters)))
                return 0
            found = search(index, text, filters)
    except sqlite3.DatabaseError as error:
        raise damaged(path) from error
    if options.json:
        print(to_json(found))
    elif options.csv:
        print(csv_text(found), end="")
    else:
        print(table(found))
    return 0
