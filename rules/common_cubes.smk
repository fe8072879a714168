# Input functions and parameters of the rules that bin shots and calculate from them. No rules here.
from scatterflow.plan.memory_cubes import (
    calculation_memory_mb,
    cube_chunk_memory_mb,
    cube_file_memory_mb,
)


def planned_cube(wildcards):
    """Settings of a cube; a name that is none is told by the plan."""
    return planned_shots(wildcards).cube(wildcards.cube)


@mendable
def cube_settings(wildcards):
    """What a cube is made of, as plain values."""
    return planned_cube(wildcards).model_dump()


@mendable
def image_cells(wildcards):
    """What sorts images into cells: no more, so that a new quantity bins no images again."""
    cube = planned_cube(wildcards)
    settings = cube.model_dump(exclude={"quantities", "difference"})
    monitors = cube.normalise
    images = {name: monitors[name] for name in cube.images if name in monitors}
    return {**settings, "normalise": images}


@mendable
def cube_detectors(wildcards):
    """How stored words of the detectors whose images are binned become values."""
    reduction = planned_shots(wildcards)
    return {
        name: reduction.calibration(name) for name in planned_cube(wildcards).images
    }


@mendable
def cube_parts(wildcards):
    """Binned images of all chunks of a run, in order; none where no images are binned."""
    if not planned_cube(wildcards).images:
        return []
    folder = f"work/{wildcards.run}/{wildcards.shots}/cubes/{wildcards.cube}"
    return [
        f"{folder}/{chunk_name(start, stop)}.h5"
        for start, stop in planned_shots(wildcards).chunks
    ]


def cube_place(wildcards):
    """Where a cube stands, for messages."""
    return (
        f"run {wildcards.run}, key reductions.{wildcards.shots}.cubes.{wildcards.cube}"
    )


def cube_description(wildcards):
    return {**shots_description(wildcards), "cube": wildcards.cube}


@mendable
def cube_chunk_memory(wildcards):
    return cube_chunk_memory_mb(planned_shots(wildcards), planned_cube(wildcards))


@mendable
def cube_memory(wildcards):
    return cube_file_memory_mb(planned_shots(wildcards), planned_cube(wildcards))


def calculation_memory(wildcards):
    return calculation_memory_mb(planned_shots(wildcards))


def calculation_settings(wildcards):
    """What is calculated from the small data, by name."""
    calculations = planned_shots(wildcards).reduction.calculations
    return {name: item.model_dump() for name, item in calculations.items()}


def calculation_detectors(wildcards):
    """How stored words of the detectors whose best shots are shown become values."""
    reduction = planned_shots(wildcards)
    wanted = {
        name
        for item in reduction.reduction.calculations.values()
        for name in getattr(item, "images", ())
    }
    return {name: reduction.calibration(name) for name in sorted(wanted)}


def calculation_location(wildcards):
    """Where the raw data are; None where no images are wanted."""
    if not calculation_detectors(wildcards):
        return None
    return planned_shots(wildcards).location(scalars=False)


@mendable
def calculation_files(wildcards):
    """Raw files, masks, darks and constants, where images are wanted."""
    if not calculation_detectors(wildcards):
        return []
    return (
        run_shot_files(wildcards)
        + shot_mask_files(wildcards)
        + shot_dark_files(wildcards)
        + shot_constant_files(wildcards)
    )
