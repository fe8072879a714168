# Input functions and parameters of the rules of technique `shots`. No rules here.
from scatterflow.plan.raw_shots import shot_files


@mendable
def planned_shots(wildcards):
    return PLAN.find_shots(wildcards.run, wildcards.shots)


@mendable
def run_shot_files(wildcards):
    """All raw files of a run of shots."""
    reduction = planned_shots(wildcards)
    return shot_files(
        reduction.configuration, reduction.row, reduction.location(scalars=True)
    )


@mendable
def dark_shot_files(wildcards):
    """All raw files of a dark run."""
    dark = PLAN.darks[wildcards.key]
    return shot_files(dark["configuration"], dark["row"], dark["location"])


def shot_mask_files(wildcards):
    return [
        f"resources/masks/{key}.h5" for key in planned_shots(wildcards).masks.values()
    ]


def shot_masks(wildcards):
    """Mask file of each detector that has one."""
    return {
        detector: f"resources/masks/{key}.h5"
        for detector, key in planned_shots(wildcards).masks.items()
    }


def shot_dark_files(wildcards):
    return [
        f"resources/darks/{key}.h5" for key in planned_shots(wildcards).darks.values()
    ]


def shot_darks(wildcards):
    """File of the dark of each detector that has one."""
    return {
        detector: f"resources/darks/{key}.h5"
        for detector, key in planned_shots(wildcards).darks.items()
    }


@mendable
def shot_constant_files(wildcards):
    """Files of constants, positions of pixels and pulse shapes that a reduction names."""
    reduction = planned_shots(wildcards)
    found = []
    for detector in reduction.detectors:
        settings = reduction.calibration(detector)
        own = [settings["constants"]] if settings["constants"] else []
        if settings["geometry"] is not None:
            own += geometry_files(settings["geometry"])
        functions = reduction.reduction.detectors[detector].functions
        found += existing(own + pulse_shapes(functions), detector)
    return list(dict.fromkeys(found))


def pulse_shapes(functions):
    """Files with the components of waveforms, of functions and those inside."""
    found = [item.basis for item in functions.values() if item.kind == "fit_pulses"]
    for item in functions.values():
        found += pulse_shapes(item.functions)
    return found


def shot_detectors(wildcards):
    """What a chunk job does with each detector."""
    reduction = planned_shots(wildcards)
    return {name: reduction.detector_settings(name) for name in reduction.detectors}


def shot_calibrations(wildcards):
    """How stored words of each detector become values."""
    reduction = planned_shots(wildcards)
    return {name: reduction.calibration(name) for name in reduction.detectors}


def statistic_filters(wildcards):
    return planned_shots(wildcards).reduction.statistic_filters()


def shot_variables(wildcards):
    """Variables that are computed shot by shot."""
    variables = planned_shots(wildcards).reduction.variables
    return {
        name: item.model_dump(exclude_none=True) for name, item in variables.items()
    }


def statistic_variables(wildcards):
    return planned_shots(wildcards).reduction.statistic_variables()


def shot_filters(wildcards):
    """Which shots count, by name."""
    filters = planned_shots(wildcards).reduction.filters
    return {name: item.model_dump(exclude_none=True) for name, item in filters.items()}


def shot_defaults(wildcards):
    return planned_shots(wildcards).reduction.defaults.model_dump(exclude_none=True)


def shot_parts(wildcards):
    """Partial files of all chunks of a run, in order."""
    return [
        f"work/{wildcards.run}/{wildcards.shots}/chunks/{chunk_name(start, stop)}.h5"
        for start, stop in planned_shots(wildcards).chunks
    ]


def shot_minutes(wildcards):
    """Time to allow for a job, minutes."""
    return max(10, int(4 * planned_shots(wildcards).configuration.chunks.minutes))


def shots_description(wildcards):
    """What small data and result say of their run."""
    reduction = planned_shots(wildcards)
    return {
        "run": wildcards.run,
        "reduction": wildcards.shots,
        "sample": reduction.row.sample,
        "experiment": reduction.configuration.experiment.model_dump(),
    }


def shot_code(script):
    """Code of a script that reads shots: the readers of other formats do not count."""
    readers = {
        "sacla": {"sacla"},
        "euxfel": {"euxfel", "euxfel_index"},
        "smalldata": {"smalldata"},
        "shot_hdf5": {"shot_hdf5"},
        "psana": {"psana", "facility"},
        "psana1": {"psana", "facility"},
        "sacla_live": {"sacla_live", "facility"},
    }
    everything = set().union(*readers.values())

    def digest(wildcards):
        if hasattr(wildcards, "key"):
            form = PLAN.darks[wildcards.key]["location"]["recipe"]["format"]
        else:
            form = planned_shots(wildcards).source.format
        unused = everything - readers[form]
        return library_code.code_digest(
            script, frozenset(f"sources.{name}" for name in unused)
        )

    return digest


# Plots ---------------------------------------------------------------------------------------------


def plotted_dark(wildcards):
    """The dark of a detector in a reduction."""
    return f"resources/darks/{planned_shots(wildcards).darks[wildcards.detector]}.h5"


def previous_dark(wildcards):
    """The dark of the same detector and source that comes before in the run table; none or one."""
    own = PLAN.darks[planned_shots(wildcards).darks[wildcards.detector]]
    order = list(PLAN.rows)
    earlier = [
        key
        for key, dark in PLAN.darks.items()
        if dark["detector"] == own["detector"]
        and dark["row"].source == own["row"].source
        and order.index(dark["row"].run) < order.index(own["row"].run)
    ]
    earlier.sort(key=lambda key: order.index(PLAN.darks[key]["row"].run))
    return [f"resources/darks/{key}.h5" for key in earlier[-1:]]
