"""Draws architecture.svg: `python docs/images/draw_architecture.py`. A test keeps the two in step.

Colours are those of the figures (Okabe and Ito); the card is opaque, so that it reads the same on a
light and on a dark page.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

WIDTH, HEIGHT = 1080, 650
ROW = 30
COLOURS = {"saxswaxs": "#cfe6f5", "xpcs": "#fbe3bd", "shots": "#c9ece0", "all": "#ececec"}
FILE = "#ffffff"

# (text, column, row, lane): rules, one box each. N, M, P: as many jobs as chunks, blocks, parts of bins.
RULES = [
    ("prepare_integration", 1, 0, "saxswaxs"),
    ("setup_container", 1, 1, "saxswaxs"),
    ("integrate_chunk  x N", 2, 0.5, "saxswaxs"),
    ("assemble_result", 3, 0.5, "saxswaxs"),
    ("analyse_profiles", 5, -0.35, "saxswaxs"),
    ("structure_map", 5, 0.6, "saxswaxs"),
    ("check_calibrant", 5, 1.55, "saxswaxs"),
    ("refine_geometry", 5, 2.5, "saxswaxs"),
    ("prepare_qmap", 1, 4.5, "xpcs"),
    ("sort_chunk  x N", 1, 5.5, "xpcs"),
    ("summarise_frames", 2, 4, "xpcs"),
    ("correlate_block  x M", 2, 5, "xpcs"),
    ("correlate_twotime  x P", 2, 6, "xpcs"),
    ("count_photons  x M", 2, 7, "xpcs"),
    ("merge_correlation", 3, 5.5, "xpcs"),
    ("fit_correlation", 5, 5.5, "xpcs"),
    ("make_dark", 1, 8.7, "shots"),
    ("tabulate_shots", 1, 9.7, "shots"),
    ("reduce_shots_chunk  x N", 2, 9.2, "shots"),
    ("merge_shots", 3, 9.2, "shots"),
    ("bin_shots_chunk  x N", 5, 8.7, "shots"),
    ("bin_shots", 5, 9.7, "shots"),
    ("calculate_shots", 5, 10.7, "shots"),
]
RESULTS = [
    ("result.nxs", 4, 0.5),
    ("result.nxs, R_results.hdf", 4, 5.5),
    ("R.h5, result.nxs", 4, 9.2),
]
BESIDE = [
    ("analysis.nxs", 6, -0.35),
    ("map.nxs", 6, 0.6),
    ("R_rings.json", 6, 1.55),
    ("geometry/*.poni", 6, 2.5),
    ("analysis.nxs", 6, 5.5),
    ("cube_NAME.nxs", 6, 9.7),
    ("analysis.nxs", 6, 10.7),
]
LAST = [
    ("plot_*", "plots/"),
    ("export_*", "export/"),
    ("assess_quality", "quality.json"),
    ("describe_result", "record.json"),
    ("build_catalogue", "index.sqlite"),
    ("build_portal", "site/"),
]
RAW = [(1, 2), (0, 5.5), (0, 9.2)]
X = {0: 18, 1: 142, 2: 312, 3: 496, 4: 642, 5: 818, 6: 970}
BOX = {0: 100, 1: 146, 2: 160, 3: 126, 4: 158, 5: 136, 6: 98}
TOP = 66


def height(row: float) -> float:
    """Upper edge of a row; a little more room between the lanes."""
    return TOP + 16 + row * (ROW + 6) + 8 * (row > 3) + 8 * (row > 8)


def box(text: str, x: float, y: float, width: float, colour: str, round_: int = 4) -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{ROW}" rx="{round_}" fill="{colour}" '
        f'stroke="#555"/><text x="{x + width / 2:g}" y="{y + 19.5:g}">{escape(text)}</text>'
    )


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:g} {y1:g} L{x2 - 3:g} {y2:g}" class="arrow"/>'


def between(a: tuple[int, float], b: tuple[int, float]) -> str:
    """An arrow from the right side of a box to the left side of one in a later column."""
    middle = ROW / 2
    return arrow(X[a[0]] + BOX[a[0]], height(a[1]) + middle, X[b[0]], height(b[1]) + middle)


def down(column: int, above: float, below: float) -> str:
    x = X[column] + BOX[column] / 2
    return f'<path d="M{x:g} {height(above) + ROW:g} L{x:g} {height(below) - 2:g}" class="arrow"/>'


ARROWS = [
    *[((1, row), (2, 0.5)) for row in (0, 1, 2)],
    *[((2, 0.5), (3, 0.5)), ((3, 0.5), (4, 0.5)), ((0, 5.5), (1, 5.5))],
    *[((0, 9.2), (1, row)) for row in (8.7, 9.7)],
    *[((4, 0.5), (5, row)) for row in (-0.35, 0.6, 1.55, 2.5)],
    *[((1, 5.5), (2, row)) for row in (4, 5, 6, 7)],
    *[((2, row), (3, 5.5)) for row in (4, 5, 6, 7)],
    *[((3, 5.5), (4, 5.5)), ((4, 5.5), (5, 5.5)), ((5, 5.5), (6, 5.5))],
    *[((1, 8.7), (2, 9.2)), ((1, 9.7), (2, 9.2)), ((2, 9.2), (3, 9.2)), ((3, 9.2), (4, 9.2))],
    *[((4, 9.2), (5, row)) for row in (8.7, 9.7, 10.7)],
    *[((5, row), (6, row)) for row in (-0.35, 0.6, 1.55, 2.5, 9.7, 10.7)],
]


def lane(name: str, first: float, last: float) -> str:
    y = height(first) - 12
    size = height(last) + ROW + 12 - y
    return (
        f'<rect x="8" y="{y:g}" width="{WIDTH - 16}" height="{size:g}" rx="8" '
        f'fill="{COLOURS[name]}" fill-opacity="0.28"/>'
        f'<text x="18" y="{y + 20:g}" class="name">{name}</text>'
    )


def drawing() -> str:
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'font-family="sans-serif" font-size="12.5" text-anchor="middle" fill="#111">',
        "<title>Rules of scatterflow and the files between them, by technique</title>",
        "<style>.arrow{stroke:#555;stroke-width:1.3;fill:none;marker-end:url(#head)}"
        ".name{font-weight:bold;text-anchor:start;font-size:14px}"
        ".small{font-size:11.5px;fill:#444}</style>",
        '<defs><marker id="head" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="#555"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#fff"/>',
        box("config.yaml + run table + pins", 18, 12, 230, FILE, 14),
        arrow(248, 27, 290, 27),
        box("the plan: runs x reductions x chunks", 290, 12, 250, COLOURS["all"]),
        arrow(540, 27, 582, 27),
        box("build_mask", 582, 12, 110, COLOURS["all"]),
        '<text x="704" y="32" style="text-anchor:start" class="small">'
        "good masks for every job below; rules grey or coloured, files white</text>",
        lane("saxswaxs", -0.35, 2.5),
        lane("xpcs", 4, 7),
        lane("shots", 8.7, 10.7),
    ]
    parts += [between(a, b) for a, b in ARROWS]
    parts += [box("raw files", X[c], height(r), BOX[c], FILE, 14) for c, r in RAW]
    parts += [down(1, 4.5, 5.5), down(5, 8.7, 9.7)]
    parts += [box(t, X[c], height(r), BOX[c], COLOURS[name]) for t, c, r, name in RULES]
    parts += [box(t, X[c], height(r), BOX[c], FILE, 14) for t, c, r in RESULTS + BESIDE]
    y = height(11.7) + 40
    parts.append(f'<text x="18" y="{y - 12:g}" class="name">then for every result</text>')
    x = 18.0
    for rule, file in LAST:
        parts.append(box(rule, x, y, 118, COLOURS["all"]))
        parts.append(box(file, x + 9, y + ROW + 12, 100, FILE, 14))
        parts.append(
            f'<path d="M{x + 59:g} {y + ROW:g} L{x + 59:g} {y + ROW + 9:g}" class="arrow"/>'
        )
        x += 176
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("architecture.svg").write_text(drawing(), encoding="utf-8")
