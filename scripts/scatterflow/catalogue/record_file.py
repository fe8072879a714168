"""record.json: read and written with its schema (`record_schema.json`) checked each time.

A record is read from folders that others may write into: its size, depth and every path in it are
checked before anything is done with it, and links are not followed.
"""

from __future__ import annotations

import json
import os
import stat
from functools import cache
from pathlib import Path
from typing import Any

from scatterflow.errors import UserError, shortened
from scatterflow.files.atomic import write_text
from scatterflow.files.json import parse_json, to_json
from scatterflow.names import check_name

SCHEMA_FILE = Path(__file__).with_name("record_schema.json")
NAME = "record.json"
LARGEST_RECORD = 8_000_000
"""Bytes; metadata are limited long before (`raw_metadata`)."""


@cache
def record_schema() -> dict[str, Any]:
    """The JSON Schema of a record (draft 2020-12)."""
    schema: dict[str, Any] = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def check_record(record: Any, where: str) -> None:
    """Raise UserError, naming the field, unless `record` follows the schema and its names agree."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(record))
    if error is not None:
        field = ".".join(map(str, error.absolute_path)) or "the whole"
        raise UserError(
            f"the record does not follow its schema: {_reason(error)}",
            f"{where}, field {shortened(field, 200)}",
            "delete it and run snakemake again",
        )
    if record["id"] != f"{record['run']}/{record['reduction']}":
        raise UserError(
            f"the record is called {shortened(record['id'])}, not by its run and reduction",
            where,
            "delete it and run snakemake again",
        )


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(record_schema())


def _reason(error: Any) -> str:
    if error.validator == "pattern" and error.validator_value == "[^\\s]":
        return "the text is empty"
    # The message of jsonschema begins with the value, which may be anything and any length.
    return str(shortened(error.message, 200))


def write_record(path: str | Path, record: dict[str, Any]) -> None:
    """Check a record and write it, whole; raises UserError as `check_record`."""
    check_record(record, str(path))
    text = to_json(record) + "\n"
    if len(text.encode()) > LARGEST_RECORD:
        raise UserError(
            f"the record has {len(text.encode())} bytes, at most {LARGEST_RECORD} are allowed",
            str(path),
            "shorten the configuration, or leave out metadata",
        )
    write_text(path, text)


def read_record(results: str | Path, identity: str) -> dict[str, Any]:
    """The record of RUN/REDUCTION in a results folder; raises UserError as `parse_record`, and for a name
    that cannot be one."""
    run, slash, reduction = identity.partition("/")
    try:
        if not slash:
            raise ValueError(f"{shortened(identity)} is not RUN/REDUCTION")
        check_name(run)
        check_name(reduction)
    except ValueError as error:
        raise UserError(str(error), "the name of a result", "write RUN/REDUCTION") from None
    path = Path(results) / run / reduction / NAME
    return parse_record(read_bytes(path), path)


def read_bytes(path: Path) -> bytes:
    """The bytes of a record; raises UserError unless it is a regular file of bearable size, and no link."""
    try:
        # Not blocking: a pipe without a writer would never answer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise UserError("there is no record", str(path), "run snakemake to make it") from None
    except OSError as error:
        raise UserError(
            f"the record cannot be read ({error.strerror}); links are not followed",
            str(path),
            "delete it and run snakemake again",
        ) from None
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > LARGEST_RECORD:
            raise UserError(
                f"no regular file of at most {LARGEST_RECORD} bytes",
                str(path),
                "delete it and run snakemake again",
            )
        return stream.read(LARGEST_RECORD)


def parse_record(content: bytes, path: Path) -> dict[str, Any]:
    """The record in the bytes of results/RUN/REDUCTION/record.json.

    Raises UserError if it is no JSON, does not follow the schema, or says that it is another's.
    """
    record: dict[str, Any] = parse_json(content, str(path))
    check_record(record, str(path))
    if [record["run"], record["reduction"]] != [path.parts[-3], path.parts[-2]]:
        raise UserError(
            f"the record says that it is of {record['id']}",
            str(path),
            "delete it and run snakemake again",
        )
    return record


def delivered_file(results: str | Path, record: dict[str, Any], path: str) -> Path:
    """A file of a record, `path` as in its `files`.

    Raises UserError if it is missing, no regular file, a link, or lies outside of the results folder.
    """
    folder = Path(results) / record["run"] / record["reduction"]
    found = folder / path
    where = f"{record['id']}, file {shortened(path, 200)}"
    root = Path(results).resolve()
    if found.is_symlink() or not found.resolve().is_relative_to(root):
        raise UserError("the file is a link, or outside of the results", where, "remove the link")
    if not found.is_file():
        raise UserError("the file does not exist", where, "run snakemake again")
    return found
