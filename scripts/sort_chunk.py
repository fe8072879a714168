"""Sort one chunk of a run's frames into blocks of pixels in the order of the q-map."""

from scatterflow.script import run


def main(
    qmap: str,
    mask: str,
    location: dict,
    detector: str,
    calibration: dict,
    frames: dict,
    preprocessing: dict,
    crop: dict | None,
    start: int,
    stop: int,
    blocks: int,
    threads: int,
    output: str,
    identity: str = "",
) -> None:
    """qmap, mask: files; location: of the raw data; calibration: valid range, dark and flat of the detector;
    frames, preprocessing, crop: of the reduction; start, stop: frames as they are correlated; identity: of
    all this, so that who reads the chunk can tell it from an older one."""
    from scatterflow.detectors.good_mask import read_mask
    from scatterflow.detectors.images import load_image
    from scatterflow.detectors.qmap_files import read_qmap
    from scatterflow.frame_range import frame_range
    from scatterflow.sources.base import RunLocation
    from scatterflow.sources.open import open_source
    from scatterflow.xpcs.preprocess import preprocessing_of
    from scatterflow.xpcs.sort import sort_chunk

    place = RunLocation.from_fields(location)
    where = f"run {place.run}, detector {detector}"
    images = {
        name: calibration[name] and load_image(calibration[name], place.shapes[detector], name)
        for name in ("dark", "flat")
    }
    source = open_source(place)
    sort_chunk(
        source,
        detector,
        frame_range(frames, place.frames, f"{where}, frames"),
        start,
        stop,
        read_qmap(qmap),
        preprocessing_of(
            preprocessing,
            calibration["valid"],
            source,
            detector,
            images["dark"],
            images["flat"],
            f"{where}, preprocessing",
        ),
        output,
        blocks=blocks,
        threads=threads,
        good=read_mask(mask).good,
        crop=crop,
        skip_missing=location["recipe"]["missing"] == "nan",
        label=f"run {place.run}, frames {start} to {stop - 1}",
        where=where,
        identity=identity,
    )


if "snakemake" in globals():
    run(
        main,
        snakemake.log,
        qmap=snakemake.input.qmap,
        mask=snakemake.input.mask,
        location=snakemake.params.location,
        detector=snakemake.params.detector,
        calibration=snakemake.params.calibration,
        frames=snakemake.params.frames,
        preprocessing=snakemake.params.preprocessing,
        crop=snakemake.params.crop,
        start=int(snakemake.wildcards.start),
        stop=int(snakemake.wildcards.stop),
        blocks=snakemake.params.blocks,
        threads=snakemake.threads,
        output=snakemake.output[0],
        identity=snakemake.params.identity,
    )
