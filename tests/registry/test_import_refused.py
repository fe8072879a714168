"""What an import refuses: whatever would leave its polarity or its pixels to be guessed."""

from __future__ import annotations

import json
import pickle

import numpy as np
import pytest

from scatterflow.errors import UserError
from scatterflow.registry.import_formats import import_mask

from .examples import SHAPE, XY, bad, bits, hdf5, image, npy, squares, text

REFUSED = {
    "no polarity": (lambda p: npy(p / "m.npy", bad()), {}, "nothing says whether"),
    "contradicting polarity": (
        lambda p: image(p / "m.edf", bad().astype(np.int8)),
        {"true_means": "good"},
        "nonzero value means masked",
    ),
    "transposed": (
        lambda p: npy(p / "m.npy", bad().T),
        {"true_means": "masked"},
        "look swapped",
    ),
    "pickled array": (
        lambda p: npy(p / "m.npy", np.array([{}], object)),
        {"true_means": "masked"},
        "pickled objects are never loaded",
    ),
    "NaN": (
        lambda p: npy(p / "m.npy", np.where(bad(), np.nan, 1)),
        {"format": "qmap"},
        "NaN",
    ),
    "two columns without an order": (
        lambda p: text(p / "m.txt", XY),
        {"format": "indices"},
        "--order rowcolumn or --order xy",
    ),
    "the wrong order": (
        lambda p: text(p / "m.txt", XY),
        {"format": "indices", "order": "rowcolumn"},
        "outside the detector",
    ),
    "an index beyond the end": (
        lambda p: npy(p / "m.npy", np.array([0, 240])),
        {"format": "indices"},
        "outside the detector",
    ),
    "a negative index": (
        lambda p: npy(p / "m.npy", np.array([-1])),
        {"format": "indices"},
        "outside the detector",
    ),
    "broken numbers": (
        lambda p: npy(p / "m.npy", np.array([1.5])),
        {"format": "indices"},
        "whole numbers",
    ),
    "words": (lambda p: text(p / "m.txt", "a b\n"), {"format": "indices"}, "cannot be read"),
    "shapes without an order": (
        lambda p: text(p / "m.json", json.dumps(squares("xy"))),
        {"format": "shapes"},
        "(row, column) or (x, y)",
    ),
    "an unknown shape": (
        lambda p: text(p / "m.json", '[{"type": "circel", "centre": [1, 1], "radius": 2}]'),
        {"format": "shapes", "order": "xy"},
        "did you mean 'circle'",
    ),
    "an infinite shape": (
        lambda p: text(p / "m.yaml", "[{type: circle, centre: [1, .inf], radius: 2}]"),
        {"format": "shapes", "order": "xy"},
        "no point",
    ),
    "a YAML bomb": (
        lambda p: text(p / "m.yaml", "a: &a [1, 1]\nb: [*a, *a]\n"),
        {"format": "shapes", "order": "xy"},
        "aliases",
    ),
    "a YAML object": (
        lambda p: text(p / "m.yaml", "!!python/object/apply:os.system [true]"),
        {"format": "shapes", "order": "xy"},
        "neither JSON nor YAML",
    ),
    "XDS without regions": (
        lambda p: text(p / "XDS.INP", "! UNTRUSTED_RECTANGLE= 1 2 3 4\n"),
        {"format": "xds"},
        "no UNTRUSTED regions",
    ),
    "signed Eiger image": (
        lambda p: npy(p / "m.npy", np.zeros(SHAPE, np.int32)),
        {"format": "eiger-image"},
        "not unsigned",
    ),
    "unsigned Pilatus image": (
        lambda p: npy(p / "m.npy", np.zeros(SHAPE, np.uint32)),
        {"format": "pilatus-image"},
        "no negative values",
    ),
    "CrystFEL without bits": (
        lambda p: hdf5(p / "m.h5", "mask", bits(1)),
        {"format": "crystfel", "dataset": "mask"},
        "--mask-good",
    ),
    "option of another format": (
        lambda p: npy(p / "m.npy", bad()),
        {"format": "array", "true_means": "good", "bits": 3},
        "bits is not for format array",
    ),
    "a polarity in other letters": (
        lambda p: npy(p / "m.npy", ~bad()),
        {"true_means": "Good"},
        "'Good' is no polarity",
    ),
    "bits of nothing": (
        lambda p: hdf5(p / "m.h5", "pixel_mask", bits(1)),
        {"format": "pixel_mask", "dataset": "pixel_mask", "bits": 0},
        "one or more of its 32",
    ),
    "bits beyond 32": (
        lambda p: hdf5(p / "m.h5", "pixel_mask", bits(1)),
        {"format": "pixel_mask", "dataset": "pixel_mask", "bits": 1 << 32},
        "one or more of its 32",
    ),
    "negative bits": (
        lambda p: hdf5(p / "m.h5", "pixel_mask", bits(1)),
        {"format": "pixel_mask", "dataset": "pixel_mask", "bits": -1},
        "one or more of its 32",
    ),
    "CrystFEL bits beyond 32": (
        lambda p: hdf5(p / "m.h5", "mask", bits(1)),
        {"format": "crystfel", "dataset": "mask", "mask_bad": 1 << 32},
        "do not fit 32 bits",
    ),
    "CrystFEL bits beyond 64": (
        lambda p: hdf5(p / "m.h5", "mask", bits(1)),
        {"format": "crystfel", "dataset": "mask", "mask_good": 1 << 64},
        "do not fit 32 bits",
    ),
    "a name that only sounds like pixel_mask": (
        lambda p: hdf5(p / "m.h5", "inverse_pixel_mask", (~bad()).astype(np.uint8)),
        {"dataset": "inverse_pixel_mask"},
        "nothing says whether",
    ),
    "Pilatus image with NaN": (
        lambda p: npy(p / "m.npy", np.where(bad(), np.nan, 5.0)),
        {"format": "pilatus-image"},
        "NaN",
    ),
    "a depth of no bits": (
        lambda p: npy(p / "m.npy", np.where(bad(), 65535, 7).astype(np.uint16)),
        {"format": "eiger-image", "bit_depth": 0},
        "no 0 bits",
    ),
    "a mask given as a list": (
        lambda p: npy(p / "m.npy", bad().ravel().astype(int)),
        {"format": "indices"},
        "a mask and no list",
    ),
    "an empty list": (lambda p: text(p / "m.txt", "# none\n"), {"format": "indices"}, "no pixel"),
    "a number beyond all": (
        lambda p: text(p / "m.txt", "1e300\n"),
        {"format": "indices"},
        "whole numbers",
    ),
    "an infinite number": (
        lambda p: text(p / "m.txt", "inf\n"),
        {"format": "indices"},
        "whole numbers",
    ),
    "bad pixels between pixels": (
        lambda p: text(p / "m.json", '{"Bad pixels": [{"Pixel": [1.5, 2]}]}'),
        {"format": "bad-pixels"},
        "whole numbers",
    ),
    "a bad pixel beyond all": (
        lambda p: text(p / "m.json", '{"Bad pixels": [{"Pixel": [1%s, 2]}]}' % ("0" * 400)),
        {"format": "bad-pixels"},
        "whole numbers",
    ),
    "a bad pixel of three numbers": (
        lambda p: text(
            p / "m.json", '{"Bad pixels": [{"Pixel": [1, 2, 3]}, {"Pixel": [1, 2, 3]}]}'
        ),
        {"format": "bad-pixels"},
        "no list of bad pixels",
    ),
    "a shape beyond all": (
        lambda p: text(
            p / "m.json", '[{"type": "circle", "centre": [1%s, 1], "radius": 2}]' % ("0" * 400)
        ),
        {"format": "shapes", "order": "xy"},
        "no point",
    ),
    "a radius beyond all": (
        lambda p: text(p / "m.json", '[{"type": "circle", "centre": [1, 1], "radius": 1e200}]'),
        {"format": "shapes", "order": "xy"},
        "no size",
    ),
    "a shape whose type is a list": (
        lambda p: text(p / "m.json", '[{"type": ["circle"], "centre": [1, 1], "radius": 2}]'),
        {"format": "shapes", "order": "xy"},
        "is no shape",
    ),
    "XDS with a region that is not understood": (
        lambda p: text(p / "XDS.INP", "UNTRUSTED_RECTANGLE= 1 3 1 3\nUNTRUSTED_CIRCLE= 5 9 5\n"),
        {"format": "xds"},
        "2 UNTRUSTED regions are named, 1 are understood",
    ),
    "XDS with exchanged limits": (
        lambda p: text(p / "XDS.INP", "UNTRUSTED_RECTANGLE= 9 5 9 5\n"),
        {"format": "xds"},
        "holds no pixel",
    ),
    "unknown format": (lambda p: npy(p / "m.npy", bad()), {"format": "guess"}, "unknown"),
    "unknown reason": (
        lambda p: npy(p / "m.npy", bad()),
        {"true_means": "good", "reason": "ugly"},
        "unknown",
    ),
    "missing file": (lambda p: p / "none.npy", {"true_means": "good"}, "does not exist"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_told_is_refused(case, tmp_path):
    make, options, message = REFUSED[case]
    with pytest.raises(UserError) as caught:
        import_mask(make(tmp_path), SHAPE, **options)
    assert message in str(caught.value)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_never_opened(tmp_path, protocol):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "was_run"), "w"))

    (tmp_path / "mask.pickle").write_bytes(pickle.dumps(Trap(), protocol))
    for format in ("array", "indices", "shapes", "xds"):
        with pytest.raises(UserError, match="pickle"):
            import_mask(tmp_path / "mask.pickle", SHAPE, format)
    assert not (tmp_path / "was_run").exists()
