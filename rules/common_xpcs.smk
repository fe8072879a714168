# Input functions and parameters of the rules of technique `xpcs`. No rules here.
from scatterflow.files.checksums import value_digest
from scatterflow.xpcs.acquisition import frame_time, read_acquisition


@mendable
def planned_xpcs(wildcards):
    return PLAN.find_xpcs(wildcards.run, wildcards.xpcs)


def qmap_settings(wildcards):
    return PLAN.qmaps[wildcards.key]


@mendable
def qmap_inputs(wildcards):
    """Files that a q-map is made from, besides the mask."""
    settings = qmap_settings(wildcards)
    given = [settings["qmap"]["file"]] if settings["qmap"]["file"] else []
    for path in given:
        if not Path(path).is_file():
            raise UserError(
                f"file {path} does not exist",
                "a reduction's key qmap.file",
                "correct the path",
            )
    return given + geometry_files(settings)


def qmap_mask(wildcards):
    return f"resources/masks/{qmap_settings(wildcards)['mask']}.h5"


def qmap_file(wildcards):
    """The q-map of a reduction."""
    return f"resources/qmaps/{planned_xpcs(wildcards).qmap}.h5"


def xpcs_mask(wildcards):
    return f"resources/masks/{planned_xpcs(wildcards).mask}.h5"


def raw_range(wildcards):
    """(first, after the last) raw frame of a chunk."""
    start, stop = int(wildcards.start), int(wildcards.stop)
    return planned_xpcs(wildcards).range.raw_range(start, stop)


@mendable
def sorted_raw_files(wildcards):
    """Files that hold a chunk's raw frames, and those of the dark frames."""
    reduction = planned_xpcs(wildcards)
    own = frame_files(reduction, *raw_range(wildcards))
    dark = reduction.reduction.preprocessing.dark_frames
    if dark is not None:
        own += [path for path in frame_files(reduction, *dark) if path not in own]
    return own + [ancient(path) for path in shared_files(reduction) if path not in own]


@mendable
def sorted_part(wildcards):
    return fingerprint(planned_xpcs(wildcards), scalars=False)


@mendable
def calibration_images(wildcards):
    """Dark image and flat field of a reduction's detector."""
    reduction = planned_xpcs(wildcards)
    settings = reduction.configuration.detectors[reduction.detector]
    return existing(filter(None, [settings.dark, settings.flat]), reduction.detector)


def sorted_chunks(wildcards):
    """Sorted chunks of a reduction, in order."""
    return [
        f"work/{wildcards.run}/{wildcards.xpcs}/sorted/{chunk_name(start, stop)}.h5"
        for start, stop in planned_xpcs(wildcards).chunks
    ]


def block_sums(wildcards):
    """Sums of all blocks of pixels, in order."""
    return [
        f"work/{wildcards.run}/{wildcards.xpcs}/multitau/{block}.h5"
        for block in range(planned_xpcs(wildcards).blocks)
    ]


def photon_counts(wildcards):
    """Photon statistics of all blocks of pixels, in order; none where they are not asked for."""
    reduction = planned_xpcs(wildcards)
    if reduction.reduction.speckle_statistics is None:
        return []
    return [
        f"work/{wildcards.run}/{wildcards.xpcs}/photons/{block}.h5"
        for block in range(reduction.blocks)
    ]


def twotime_parts(wildcards):
    """Two-time correlation of all parts, in order; none where it is not asked for."""
    return [
        f"work/{wildcards.run}/{wildcards.xpcs}/twotime/{part}.h5"
        for part in range(planned_xpcs(wildcards).parts)
    ]


def xpcs_settings(wildcards, key):
    """One block of a reduction's settings as plain values, None if it is left out."""
    settings = getattr(planned_xpcs(wildcards).reduction, key)
    return None if settings is None else settings.model_dump()


def used_frames(wildcards):
    """Which raw frames make a frame; bad ones are left out later."""
    settings = planned_xpcs(wildcards).reduction.frames
    return settings.model_dump(include={"begin", "end", "stride", "average"})


def corrected_counts(wildcards):
    """What is done with counts; frames are scaled later."""
    settings = planned_xpcs(wildcards).reduction.preprocessing
    return settings.model_dump(exclude={"normalise"})


@mendable
def frame_checks(wildcards):
    """Which frames are bad, and whether frames are scaled."""
    planned = planned_xpcs(wildcards)
    settings = planned.reduction.frames.model_dump(include={"automatic_bad"})
    normalise = planned.reduction.preprocessing.normalise
    return {**settings, "bad": planned.bad_frames, "normalise": normalise}


def correlated_lags(wildcards):
    """The delays and windows of time that are correlated."""
    settings = planned_xpcs(wildcards).reduction.multitau
    used = {"lags", "delays_per_level", "most_delay", "partial"}
    return settings.model_dump(include=used)


def sort_code(wildcards):
    """Code that a sort job runs: the readers of other formats do not count."""
    return source_code("sort_chunk", [planned_xpcs(wildcards)])


def sorted_identity(wildcards):
    """Digest of all that decides what a run's sorted chunks hold: one that a job of a killed workflow has
    written after a newer one is refused by it."""
    reduction = planned_xpcs(wildcards)
    return value_digest(
        {
            "location": reduction.location(scalars=False),
            "qmap": reduction.qmap,
            "mask": reduction.mask,
            "calibration": reduction.calibration,
            "frames": used_frames(wildcards),
            "preprocessing": corrected_counts(wildcards),
            "crop": xpcs_settings(wildcards, "crop"),
            "blocks": reduction.blocks,
            "raw_part": sorted_part(wildcards),
            "code": sort_code(wildcards),
        },
        length=32,
    )


def merge_code(wildcards):
    """Code of the job that makes the result, which lists the raw files through their reader."""
    return source_code("merge_correlation", [planned_xpcs(wildcards)])


def chunk_minutes(wildcards):
    """Time to allow for a job, minutes."""
    return max(10, int(4 * planned_xpcs(wildcards).configuration.chunks.minutes))


def check_frame_time(reduction):
    """Refuse a file that does not tell the time between frames: better known before hours of work."""
    for path in metadata_files(reduction):
        if Path(path).exists() and not Path(result_path(reduction)).exists():
            frame_time(
                read_acquisition(path),
                reduction.reduction.frame_time_s,
                f"run {reduction.row.run}, {path}",
            )


@mendable
def xpcs_metadata(wildcards):
    """The file that tells how a run was taken, where its source names one."""
    reduction = planned_xpcs(wildcards)
    check_frame_time(reduction)
    return metadata_files(reduction)


def metadata_path(wildcards):
    return next(iter(xpcs_metadata(wildcards)), None)


def fitted(wildcards):
    """What is fitted to a result."""
    reduction = planned_xpcs(wildcards).reduction
    return reduction.model_dump(include={"fits", "diffusion", "speckle_statistics"})


def qmap_detector(wildcards):
    """What a q-map needs to know of its detector."""
    settings = qmap_settings(wildcards)
    return {key: settings[key] for key in ("shape", "geometry", "orientation")}


def xpcs_description(wildcards):
    """What a result file says of its run."""
    reduction = planned_xpcs(wildcards)
    return {
        "run": wildcards.run,
        "reduction": wildcards.xpcs,
        "sample": reduction.row.sample,
        "experiment": reduction.configuration.experiment.model_dump(),
        "parameters": reduction.parameters,
    }
