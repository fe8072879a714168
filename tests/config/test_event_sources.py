"""Keys of sources of event formats: which mean something, and where."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from scatterflow.config.sources import SourceConfig

MODULE = {"suffix": ".0", "row": 0, "column": 0}


def source(form, **keys):
    return SourceConfig.model_validate({"format": form, "frames": {"d": "{raw}.bin"}, **keys})


def refusal(form, **keys):
    with pytest.raises(ValidationError) as caught:
        source(form, **keys)
    return str(caught.value)


def test_what_is_taken():
    assert source("imm").pixel_order == "row"
    assert source("rigaku", pixel_order="column", modules="rigaku_3m").modules == "rigaku_3m"
    assert source("rigaku", modules=[MODULE]).modules[0].turned is False
    assert source("timepix4", frame_time_s=1e-6, modules=[MODULE]).frame_time_s == 1e-6
    assert source("ufxc", metadata="{raw}_metadata.hdf").metadata == "{raw}_metadata.hdf"
    assert source("hdf5", metadata="{run}/m.hdf").metadata == "{run}/m.hdf"


@pytest.mark.parametrize("form", ["imm", "ufxc", "timepix4", "hdf5", "images"])
def test_pixel_order_is_that_of_rigaku_alone(form):
    more = {"frame_time_s": 1e-6} if form == "timepix4" else {}
    assert "`pixel_order` has no meaning" in refusal(form, pixel_order="column", **more)
    assert source(form, pixel_order="row", **more).format == form  # as it is dumped


@pytest.mark.parametrize("form", ["imm", "ufxc", "hdf5", "images"])
def test_modules_where_there_are_none(form):
    assert "`modules` has no meaning" in refusal(form, modules=[MODULE])
    assert "`frame_time_s` has no meaning" in refusal(form, frame_time_s=1e-6)


def test_timepix4_needs_the_length_of_a_frame():
    assert "needs `frame_time_s`" in refusal("timepix4")
    assert "greater than 0" in refusal("timepix4", frame_time_s=0.0)
    assert "rigaku_3m` has no meaning" in refusal(
        "timepix4", frame_time_s=1e-6, modules="rigaku_3m"
    )


def test_files_stay_below_the_raw_folder():
    for form in ("imm", "rigaku", "ufxc"):
        assert "below the raw folder" in refusal(form, frames={"d": "../{raw}.bin"})
    assert "below the raw folder" in refusal("imm", metadata="/etc/{raw}.hdf")
    assert "without '/'" in refusal("rigaku", modules=[{**MODULE, "suffix": "/../x"}])


def test_modules_do_not_share_a_file():
    twice = [MODULE, {**MODULE, "row": 512}]
    assert "same suffix" in refusal("rigaku", modules=twice)
    assert "at least 1 item" in refusal("rigaku", modules=[])


def test_scalars_of_event_formats():
    scalars = {"x": {"type": "dataset", "name": "/a"}}
    assert "not available in format 'imm'" in refusal("imm", scalars=scalars)
