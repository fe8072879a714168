"""The index of 500 results: time to make it, to scan again what has not changed, to search it.

`python benchmarks/catalogue.py` runs this alone. Against the limits that the catalogue must hold; each in a
fresh process, imports not counted.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))
sys.path.insert(0, str(REPOSITORY / "scripts"))

from benchmarks.data import FULL, Size  # noqa: E402
from benchmarks.registry import run_code  # noqa: E402
from benchmarks.results import Row, against_limit, command_line  # noqa: E402

RECORDS = 500
INDEX = """
import time, jsonschema
from scatterflow.catalogue.index import build_index
began = time.perf_counter()
assert build_index({folder!r}, {folder!r} + "/catalogue/index.sqlite", full={full}).records == {records}
print(time.perf_counter() - began)
"""
SEARCH = """
import time
from scatterflow.catalogue.index import open_index
from scatterflow.catalogue.index_search import facets, search
began = time.perf_counter()
index = open_index({folder!r} + "/catalogue/index.sqlite")
assert search(index, "silica", {{"technique": ["saxswaxs"]}})
assert facets(index, "silica")["sample"]
print(time.perf_counter() - began)
"""


def catalogue(size: Size = FULL) -> list[Row]:
    """500 records with 100 metadata and 30 files each."""
    records = RECORDS if size is FULL else 20
    with tempfile.TemporaryDirectory() as folder:
        _write_records(Path(folder), records)
        values = {"folder": folder, "records": records}
        (full,) = run_code(INDEX.format(full=True, **values))
        again = sorted(run_code(INDEX.format(full=False, **values))[0] for _ in range(3))[1]
        searched = sorted(run_code(SEARCH.format(**values))[0] for _ in range(3))[1]
    return [
        against_limit(f"Index {records} results from nothing", "5 s", full, 5.0),
        against_limit(f"Scan {records} results again, nothing changed", "0.2 s", again, 0.2),
        against_limit(f"Search {records} results and count facets", "0.2 s", searched, 0.2),
    ]


def _write_records(folder: Path, number: int) -> None:
    from tests.catalogue.example_records import example_record

    from scatterflow.catalogue.record_file import write_record

    file = {"bytes": 1, "sha256": "0" * 64, "mime": "image/png", "role": "plot"}
    for each in range(number):
        record = example_record(each)
        record["files"] = [{**file, "path": f"plots/{plot}.png"} for plot in range(30)]
        record["metadata"]["raw"] = {
            f"instrument.motor_{motor}": {"value": float(motor), "unit": "mm"}
            for motor in range(100)
        }
        write_record(folder / record["id"] / "record.json", record)


BENCHMARKS = {"catalogue": catalogue}

if __name__ == "__main__":
    sys.exit(command_line(BENCHMARKS, __doc__.splitlines()[0]))
