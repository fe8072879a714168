"""The portal: a static web site of all results, made from their records.

    site/index.html            the list: search, facets, sorting, all in the browser
    site/data/records.js       what it searches, one row per result (`site_rows`)
    site/runs/RUN/REDUCTION.html   a page per result (`site_pages`); needs no script to be read
    site/assets/               style and scripts
    site/viewer/               the viewer of NeXus files (`site_viewer`), where it was built
    site/files/                only in a copy for elsewhere: the files of the results

The site stands in results/catalogue/site and links to the results where they are, so a plain file server
that serves `results/` will do; nothing is executed there. With `copy` it takes the files along. All links
are relative, and scripts are no ES modules, which browsers refuse to load from file://.

Pages are jinja2 templates with escaping on; text reaches the browser as text in every case, and each page
forbids inline scripts and all that is not its own by Content-Security-Policy.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scatterflow.catalogue.site_files import FoundFile, copy_files, find_files, read_quality
from scatterflow.catalogue.site_pages import page_of
from scatterflow.catalogue.site_rows import FIELDS, row_of
from scatterflow.errors import UserError
from scatterflow.files.atomic import whole_folder
from scatterflow.files.json import to_json
from scatterflow.files.provenance import now
from scatterflow.names import check_name

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Site:
    """What was made: number of results, of their files that are linked, and of those that are not."""

    results: int
    files: int
    left_out: int
    viewer: bool


def generate_site(
    records: Iterable[dict[str, Any]],
    results: str | Path,
    site: str | Path,
    *,
    viewer: str | Path | None = None,
    copy: bool = False,
) -> Site:
    """Write the site of `records` to the folder `site`, whole; what stood there is replaced.

    results: folder of the results (RUN/REDUCTION/...). viewer: folder of the built viewer, None: without
    one. copy: take the files of the results along, checked against their sha256; else `site` must be
    inside of `results`. Raises UserError.
    """
    results, site = Path(results), Path(site)
    base = "files/" if copy else _way_up(results, site)
    rows, linked, left_out = [], 0, 0
    page = _templates().get_template("result.html")
    with whole_folder(site) as folder:
        for record in records:
            run, reduction = _names(record)
            files = find_files(results, record)
            if copy:
                copy_files(results, record, files, folder / "files")
            linked += sum(file.there for file in files)
            left_out += sum(not file.there for file in files)
            shown = page_of(record, files, read_quality(results, record), f"../../{base}")
            target = folder / "runs" / run / f"{reduction}.html"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(page.render(page=shown, viewer=viewer is not None), encoding="utf-8")
            rows.append(row_of(record, _thumbnail(files, f"{base}{run}/{reduction}/")))
        _write_list(folder, rows)
        shutil.copytree(HERE / "assets", folder / "assets")
        if viewer is not None:
            shutil.copytree(viewer, folder / "viewer")
    return Site(len(rows), linked, left_out, viewer is not None)


def _way_up(results: Path, site: Path) -> str:
    """Address of the results as seen from the site."""
    inside, outside = site.resolve(), results.resolve()
    if not inside.is_relative_to(outside) or inside == outside:
        raise UserError(
            f"the portal links to files in {results}, and must be inside of that folder",
            str(site),
            "leave the folder out, or take the files along with --copy",
        )
    return "../" * len(inside.relative_to(outside).parts)


def _names(record: dict[str, Any]) -> tuple[str, str]:
    """Run and reduction, safe as names of files, whoever wrote the record."""
    try:
        return check_name(record["run"]), check_name(record["reduction"])
    except ValueError as error:
        raise UserError(
            f"a record cannot be shown: {error}",
            f"record {record['id']}",
            "delete record.json and run snakemake again",
        ) from None


def _thumbnail(files: list[FoundFile], base: str) -> str:
    return next((f"{base}{file.url}" for file in files if file.there and file.is_thumbnail), "")


def _write_list(folder: Path, rows: list[list[Any]]) -> None:
    shown = {"fields": FIELDS, "rows": rows, "made": now()}
    (folder / "data").mkdir()
    # JSON in a string is read several times faster than the same as an object of JavaScript.
    text = f"var portal = {{ data: JSON.parse({to_json(to_json(shown, None))}) }};\n"
    (folder / "data" / "records.js").write_text(text, encoding="utf-8")
    page = _templates().get_template("list.html").render(results=len(rows))
    (folder / "index.html").write_text(page, encoding="utf-8")


def _templates() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
