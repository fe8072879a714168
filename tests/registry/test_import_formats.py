"""Masks in every convention: the same pixels must come out masked, whatever they were called."""

from __future__ import annotations

import json

import fabio
import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry.export_formats import export_mask
from scatterflow.registry.import_formats import (
    FORMATS,
    check_plausible,
    detector_gaps,
    import_mask,
)
from scatterflow.registry.masks import load_mask, register_mask
from scatterflow.registry.objects import REASONS

from .examples import (
    BAD,
    FLAT,
    ROWCOLUMN,
    SHAPE,
    XY,
    bad,
    bits,
    hdf5,
    image,
    npy,
    rectangles,
    squares,
    text,
)

# Name: how the file is made, and what the import is told.
CASES = {
    "CHX, pyCHX, scikit-beam .npy": (
        lambda p: npy(p / "m.npy", ~bad()),
        {"format": "array", "true_means": "good"},
    ),
    "psana .npy of 0 and 1": (
        lambda p: npy(p / "m.npy", (~bad()).astype(np.uint8)),
        {"format": "array", "true_means": "good"},
    ),
    "numpy.ma, silx .npy": (
        lambda p: npy(p / "m.npy", bad()),
        {"format": "array", "true_means": "masked"},
    ),
    "pyFAI .edf": (lambda p: image(p / "m.edf", bad().astype(np.int8)), {"format": "array"}),
    "pySimpleMask .tif": (
        lambda p: image(p / "m.tif", (~bad()).astype(np.uint8)),
        {"format": "array", "true_means": "good"},
    ),
    "Dioptas .tif": (
        lambda p: image(p / "m.tif", bad().astype(np.uint8)),
        {"format": "array", "true_means": "masked"},
    ),
    "Fit2D .msk": (
        lambda p: image(p / "m.msk", bad().astype(np.uint8)),
        {"format": "array"},
    ),
    "NeXus pixel_mask": (
        lambda p: hdf5(p / "m.h5", "entry/instrument/detector/pixel_mask", bits(1 << 4)),
        {"format": "pixel_mask", "dataset": "entry/instrument/detector/pixel_mask"},
    ),
    "pixel_mask with a tag on good pixels": (
        lambda p: hdf5(p / "m.h5", "pixel_mask", bits(1 << 8 | 1 << 31, 1 << 31)),
        {"format": "pixel_mask", "dataset": "pixel_mask"},
    ),
    "pixel_mask stored as int32": (
        lambda p: hdf5(p / "m.h5", "pixel_mask", bits(1, 1 << 31).view(np.int32)),
        {"format": "pixel_mask", "dataset": "pixel_mask"},
    ),
    "XFEL image.mask": (
        lambda p: hdf5(p / "m.h5", "image/mask", bits(1 << 17)),
        {"format": "xfel", "dataset": "image/mask"},
    ),
    "CrystFEL mask_bad": (
        lambda p: hdf5(p / "m.h5", "data/mask", bits(0x2, 0x10)),
        {"format": "crystfel", "dataset": "data/mask", "mask_bad": 0x3},
    ),
    "CrystFEL mask_good": (
        lambda p: hdf5(p / "m.h5", "data/mask", bits(0x2, 0x3)),
        {"format": "crystfel", "dataset": "data/mask", "mask_good": 0x1},
    ),
    "NXcanSAS mask": (
        lambda p: hdf5(p / "m.h5", "sasentry/sasdata/mask", bad()),
        {"format": "nxcansas", "dataset": "sasentry/sasdata/mask"},
    ),
    "APS 8-ID q-map": (
        lambda p: hdf5(p / "m.h5", "qmap/mask", (~bad()).astype(np.uint8)),
        {"format": "qmap", "dataset": "qmap/mask"},
    ),
    "CBF map mask": (
        lambda p: image(p / "m.cbf", (~bad()).astype(np.int32)),
        {"format": "cbf-map"},
    ),
    "Eiger image, 16 bit": (
        lambda p: npy(p / "m.npy", np.where(bad(), 65535, 7).astype(np.uint16)),
        {"format": "eiger-image"},
    ),
    "Eiger image, 32 bit": (
        lambda p: npy(p / "m.npy", np.where(bad(), 4294967295, 65535).astype(np.uint32)),
        {"format": "eiger-image"},
    ),
    "Eiger image, 16 bit stored as 32": (
        lambda p: npy(p / "m.npy", np.where(bad(), 65535, 7).astype(np.uint32)),
        {"format": "eiger-image", "bit_depth": 16},
    ),
    "Pilatus image": (
        lambda p: image(p / "m.cbf", np.where(bad(), -2, 5).astype(np.int32)),
        {"format": "pilatus-image"},
    ),
    "flat indices .npy": (lambda p: npy(p / "m.npy", FLAT), {"format": "indices"}),
    "row column text": (
        lambda p: text(p / "m.txt", ROWCOLUMN),
        {"format": "indices", "order": "rowcolumn"},
    ),
    "x y text": (lambda p: text(p / "m.txt", XY), {"format": "indices", "order": "xy"}),
    "areaDetector bad pixels": (
        lambda p: text(
            p / "m.json",
            json.dumps({"Bad pixels": [{"Pixel": [c, r], "Median": [3, 3]} for r, c in BAD]}),
        ),
        {"format": "bad-pixels"},
    ),
    "shapes, JSON, row column": (
        lambda p: text(p / "m.json", json.dumps(squares("rowcolumn"))),
        {"format": "shapes", "order": "rowcolumn"},
    ),
    "shapes, YAML, x y": (
        lambda p: text(p / "m.yaml", json.dumps(squares("xy"))),
        {"format": "shapes", "order": "xy"},
    ),
    "XDS.INP": (lambda p: text(p / "XDS.INP", rectangles()), {"format": "xds"}),
    "XDS.INP with blanks": (
        lambda p: text(p / "XDS.INP", rectangles().replace("=", "  =")),
        {"format": "xds"},
    ),
    "pixel_mask by its name": (
        lambda p: hdf5(p / "m.h5", "detector/pixel_mask_2", bits(1 << 4)),
        {"format": "array", "dataset": "detector/pixel_mask_2"},
    ),
    "1 = good under a name like pixel_mask": (
        lambda p: hdf5(p / "m.h5", "my_pixel_mask_good", (~bad()).astype(np.uint8)),
        {"format": "array", "dataset": "my_pixel_mask_good", "true_means": "good"},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_same_pixels_are_masked_whatever_the_convention(case, tmp_path):
    make, options = CASES[case]
    found = import_mask(make(tmp_path), SHAPE, **options)
    np.testing.assert_array_equal(found.good, ~bad())
    np.testing.assert_array_equal(found.good, (found.reasons & 0xFFFF) == 0)
    assert found.source["format"] == options["format"]
    assert len(found.source["sha256"]) == 64


def test_every_format_has_a_case():
    covered = {options["format"] for _, options in CASES.values()}
    assert covered | {"pyfai-detector"} == set(FORMATS)


def test_reasons_of_a_pixel_mask_come_back(tmp_path):
    values = np.zeros(SHAPE, np.uint32)
    values[0, 0], values[1, 1], values[2, 2], values[3, 3] = 1, 16, 256, 1 << 31
    path = hdf5(tmp_path / "m.h5", "pixel_mask", values)
    found = import_mask(path, SHAPE, "pixel_mask", dataset="pixel_mask")
    np.testing.assert_array_equal(found.reasons, values)
    assert np.count_nonzero(~found.good) == 3


def test_pilatus_tells_gaps_from_dead_pixels(tmp_path):
    frame = np.zeros(SHAPE, np.int32)
    frame[4], frame[7, 7] = -1, -2
    found = import_mask(image(tmp_path / "m.cbf", frame), SHAPE, "pilatus-image")
    assert (found.reasons[4] == 1 << REASONS["gap"]).all()
    assert found.reasons[7, 7] == 1 << REASONS["dead"]
    assert np.count_nonzero(found.reasons) == SHAPE[1] + 1


def test_gaps_of_a_known_detector():
    found = import_mask("Pilatus1M", (1043, 981), "pyfai-detector")
    assert np.count_nonzero(~found.good) == 73533
    with pytest.raises(UserError, match="1043 x 981"):
        import_mask("Pilatus1M", (981, 1043), "pyfai-detector")
    with pytest.raises(UserError, match="knows no detector"):
        import_mask("NoSuchThing", (10, 10), "pyfai-detector")


def test_shapes_against_their_formulas(tmp_path):
    shapes = [
        {"type": "circle", "centre": [5, 6.5], "radius": 2.6},
        {"type": "ellipse", "centre": [8, 14], "radii": [1.5, 3.2]},
        {"type": "line", "start": [0, 0], "end": [4, 3], "width": 1.5},
        {"type": "polygon", "corners": [[9.5, -0.5], [9.5, 2.5], [11.5, 2.5], [11.5, -0.5]]},
    ]
    path = text(tmp_path / "m.json", json.dumps(shapes))
    found = import_mask(path, SHAPE, "shapes", order="rowcolumn")
    expected = np.zeros(SHAPE, bool)
    for row in range(SHAPE[0]):
        for column in range(SHAPE[1]):
            expected[row, column] |= (row - 5) ** 2 + (column - 6.5) ** 2 <= 2.6**2
            expected[row, column] |= ((row - 8) / 1.5) ** 2 + ((column - 14) / 3.2) ** 2 <= 1
            along = min(max((row * 4 + column * 3) / 25, 0), 1)
            distance = np.hypot(row - 4 * along, column - 3 * along)
            expected[row, column] |= distance <= 0.75
            expected[row, column] |= 10 <= row <= 11 and column <= 2
    np.testing.assert_array_equal(~found.good, expected)


def test_a_flipped_mask_is_seen_by_the_gaps():
    gaps = detector_gaps("Pilatus300k", (619, 487))
    check_plausible(~gaps, "here", gaps=gaps)
    shifted = np.roll(gaps, 40, axis=0)
    with pytest.raises(UserError, match="gaps between modules"):
        check_plausible(~shifted, "here", gaps=gaps)
    check_plausible(~shifted, "here", gaps=gaps, allow_open_gaps=True)
    with pytest.raises(UserError, match="polarity"):
        check_plausible(gaps, "here")
    check_plausible(gaps, "here", allow_many=True)


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        (".edf", {"format": "array"}),
        (".npy", {"format": "array", "true_means": "good"}),
        (".tif", {"format": "array", "true_means": "good"}),
        (".nxs", {"format": "pixel_mask", "dataset": "entry/instrument/d/pixel_mask"}),
    ],
)
def test_what_is_exported_comes_back(registry, tmp_path, ending, options):
    reasons = np.where(bad(), 1 << 8, 0).astype(np.uint32)
    reasons[0, 3] |= 1
    reasons[7, 7] = 1 << 31
    record = register_mask("d", "m", ~bad(), reasons=reasons, registry=registry)
    path = tmp_path / f"m{ending}"
    export_mask(path, record, *load_mask(record, registry=registry))
    found = import_mask(path, SHAPE, **options)
    np.testing.assert_array_equal(found.good, ~bad())
    if ending == ".nxs":
        np.testing.assert_array_equal(found.reasons, reasons)


def test_pyfai_reads_the_exported_edf_as_its_own(registry, tmp_path):
    record = register_mask("d", "m", ~bad(), registry=registry)
    export_mask(tmp_path / "m.edf", record, *load_mask(record, registry=registry))
    with fabio.open(str(tmp_path / "m.edf")) as opened:
        np.testing.assert_array_equal(opened.data != 0, bad())  # nonzero is masked for pyFAI
        assert opened.header["uid"] == record.uid


def test_an_export_that_would_be_misread_is_refused(registry, tmp_path):
    record = register_mask("d", "m", ~bad(), registry=registry)
    good, reasons = load_mask(record, registry=registry)
    with pytest.raises(UserError, match=r"polarity of \.edf is fixed"):
        export_mask(tmp_path / "m.edf", record, good, reasons, "masked")
    with pytest.raises(UserError, match="'Good' is no polarity"):
        export_mask(tmp_path / "m.npy", record, good, reasons, "Good")
    with pytest.raises(UserError, match="no form of a mask"):
        export_mask(tmp_path / "m.jpg", record, good, reasons)
    assert list(tmp_path.glob("m.*")) == []
