"""The script that counts photons, on sorted chunks of raw files: blocks add up to all photons."""

from __future__ import annotations

import numpy as np
from tests.xpcs.test_sort_formats import location, photons, script, sort_and_summarise

from scatterflow.detectors.qmap_files import read_qmap
from scatterflow.xpcs.frames import read_frames
from scatterflow.xpcs.photon_histograms import merge_histograms, read_histograms

SETTINGS = {"exposures": [1, 3], "most_photons": 4, "segments": 2}


def test_blocks_of_a_run_add_up_to_all_its_photons(tmp_path):
    raw = photons(0.5)
    place = location(tmp_path / "imm", "imm sparse", raw)
    folder = tmp_path / "imm"
    frames = {"begin": 2, "end": None, "stride": 1, "average": 2}
    chunks = sort_and_summarise(folder, place, frames, [0, 6, 14])
    for block in range(3):
        script("count_photons")(
            qmap=str(folder / "qmap.h5"),
            chunks=[str(path) for path in chunks],
            frames=str(folder / "frames.h5"),
            block=block,
            blocks=3,
            settings=SETTINGS,
            threads=2,
            photons=str(folder / f"photons{block}.h5"),
        )
    found = merge_histograms(read_histograms(folder / f"photons{n}.h5") for n in range(3))
    qmap, valid = read_qmap(folder / "qmap.h5"), read_frames(folder / "frames.h5").valid
    assert 0 < np.count_nonzero(~valid) < valid.size
    summed = raw[2:].reshape(14, 2, -1).sum(axis=1)
    static = qmap.static.reshape(-1)
    for place_of, exposure in enumerate(SETTINGS["exposures"]):
        for segment in range(2):
            start, stop = 7 * segment, 7 * segment + 7
            firsts = range(start, stop - exposure + 1, exposure)
            sums = [
                summed[first : first + exposure].sum(axis=0)
                for first in firsts
                if valid[first : first + exposure].all()
            ]
            assert found.sums[place_of, segment] == len(sums)
            for bin_ in range(qmap.static_bins):
                own = np.array([total[static == bin_ + 1] for total in sums])
                counts = np.bincount(np.minimum(own, 4).reshape(-1).astype(int), minlength=5)
                assert np.array_equal(found.counts[place_of, bin_, segment], counts)
                assert found.photons[place_of, bin_, segment] == own.sum()
