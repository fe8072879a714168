"""Makes demo.png of figures of the demo, after `make demo`: `python docs/images/collage.py`."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

REPOSITORY = Path(__file__).resolve().parents[2]
# Figure of a result, and how much of its height is shown.
FIGURES = [
    ("lab6/calibration/plots/waxs_frames.png", 1.0),
    ("scan/swaxs/plots/saxs_azimuthal_mean.png", 1.0),
    ("mesh/mapping/plots/map/peak_area.png", 1.0),
    ("colloid_imm/dynamics/plots/g2_simple.png", 0.51),
    ("colloid_imm/dynamics/plots/twotime.png", 0.5),
    ("pump_sacla/pumpprobe/plots/cube_delay.png", 0.48),
]
COLUMNS, WIDTH, HEIGHT, GAP = 3, 400, 300, 12


def collage(results: Path) -> Image.Image:
    """The figures side by side, each in a field of the same size."""
    lines = -(-len(FIGURES) // COLUMNS)
    size = (COLUMNS * (WIDTH + GAP) + GAP, lines * (HEIGHT + GAP) + GAP)
    page = Image.new("RGB", size, "white")
    for number, (name, share) in enumerate(FIGURES):
        figure = Image.open(results / name).convert("RGB")
        figure = figure.crop((0, 0, figure.width, int(share * figure.height)))
        figure.thumbnail((WIDTH, HEIGHT), Image.Resampling.LANCZOS)
        line, column = divmod(number, COLUMNS)
        corner = (GAP + column * (WIDTH + GAP), GAP + line * (HEIGHT + GAP))
        page.paste(figure, corner)
    return page


if __name__ == "__main__":
    page = collage(REPOSITORY / "results").quantize(128)
    page.save(Path(__file__).with_name("demo.png"), optimize=True)
