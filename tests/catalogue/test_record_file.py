"""record.json: the schema, names, sizes, links."""

from __future__ import annotations

from scatterflow.catalogue.record_file import read_record

from .example_records import write_results


def test_examples_are_valid_and_read_back(tmp_path) -> None:
    for record in write_results(tmp_path, 12):
        assert read_record(tmp_path, record["id"]) == record
