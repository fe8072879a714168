"""Results for the portal: the examples, and among them a true result of the xpcs library with its plots."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from scatterflow.catalogue.record_file import write_record
from scatterflow.files.checksums import file_sha256
from tests.catalogue.example_records import example_record, write_result
from tests.xpcs.made_results import made_correlation


def write_xpcs_result(results: Path, number: int = 1, **changed: Any) -> dict[str, Any]:
    """A record whose result.nxs, R_results.hdf, g2 and scattering are those of a true reduction."""
    from scatterflow.plots.g2 import plot_g2
    from scatterflow.plots.scattering import plot_scattering
    from scatterflow.xpcs.result import write_result as write_xpcs

    record = write_result(results, example_record(number, **changed))
    folder = results / record["run"] / record["reduction"]
    result = folder / "result.nxs"
    write_xpcs(result, made_correlation())
    shutil.copy(result, folder / f"{record['run']}_results.hdf")
    (folder / "analysis.nxs").unlink()
    for name, plot in {"g2": plot_g2, "scattering": plot_scattering}.items():
        plot(result, folder / f"plots/{name}.png", folder / f"plots/{name}.svg")
    shutil.copy(folder / "plots/g2.png", folder / "thumbnail.png")
    record["files"] = [file for file in record["files"] if file["path"] != "analysis.nxs"]
    for file in record["files"]:
        path = folder / file["path"]
        file.update(bytes=path.stat().st_size, sha256=file_sha256(path))
    write_record(folder / "record.json", record)
    return record


HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>'\"&\u2028{{7*7}}"


def hostile_record(number: int = 7) -> dict[str, Any]:
    """A record whose every free text tries to be read as HTML or script."""
    record = example_record(number)
    record.update(sample=HOSTILE, notes=[HOSTILE])
    record["datacite"]["titles"] = [{"title": HOSTILE}]
    record["datacite"]["creators"] = [{"name": HOSTILE}]
    record["technique"].update(label=HOSTILE, term="javascript:alert(3)")
    record["experiment"].update(title=HOSTILE, cycle=HOSTILE, beamline=HOSTILE)
    record["qmap"] = {"key": HOSTILE, "sha256": "0" * 64, "name": HOSTILE}
    record["masks"][0].update(name=HOSTILE, uid=HOSTILE)
    record["metadata"]["run_table"]["operator"] = HOSTILE
    record["metadata"]["raw"] = {HOSTILE: {"value": HOSTILE, "unit": HOSTILE}}
    record["processing"]["parameters"] = {HOSTILE: HOSTILE}
    record["reprocess"] = {"command": HOSTILE, "configuration": HOSTILE}
    return record
