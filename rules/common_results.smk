# Input functions and parameters of the rules that start from a result. No rules here.


# Plots and checks ----------------------------------------------------------------------------------


def figure(path, caption, plot, of):
    """Output files of a figure: a PNG, which the report shows, and an SVG.

    path: without its ending, results/RUN/REDUCTION/...; caption: file in rules/report; plot, of: labels.
    """
    _, run, reduction, *_ = path.split("/")
    return {
        "png": report(
            f"{path}.png",
            caption=f"report/{caption}.rst",
            category=f"{run} / {reduction}",
            labels={"plot": plot, "of": of},
        ),
        "svg": f"{path}.svg",
    }


def planned_task(wildcards):
    """The integration of a detector that a plot shows."""
    return next(
        task for task in planned(wildcards).shown if task.name == wildcards.task
    )


def plot_axis(wildcards):
    return planned(wildcards).reduction.axis


def fit_values(wildcards):
    """Names of a fit's values per frame."""
    return planned(wildcards).reduction.fits[wildcards.fit].value_names(wildcards.fit)


def figure_values(wildcards):
    """Names of the values per frame of all figures of merit of a run, in the configuration's order."""
    reduction = planned(wildcards)
    made = {item["name"] for item in reduction.analysis.figures}
    return [
        value
        for name, figure in reduction.reduction.figures.items()
        if name in made
        for value in figure.value_names(name)
    ]


def viewed_figures(wildcards):
    """What is drawn of the Guinier and Porod analyses of a profile."""
    drawn = {"name", "type", "range", "exponent"}
    return [
        {key: value for key, value in item.items() if key in drawn}
        for item in planned(wildcards).analysis.figures
        if item["type"] in ("guinier", "porod") and item["task"] == wildcards.task
    ]


def calibrant(wildcards):
    """pyFAI's name of the calibrant that the run's sample is, or None."""
    return calibrant_of(planned(wildcards))


# Maps ----------------------------------------------------------------------------------------------


@mendable
def planned_map(wildcards):
    """The map of a run and reduction; run `maps`: of several runs."""
    try:
        return PLAN.maps[wildcards.run, wildcards.reduction]
    except KeyError:
        raise UserError(
            f"there is no map of {wildcards.run}/{wildcards.reduction}",
            "the configuration",
            "give the reduction a `map`, or add it to `maps`",
        ) from None


def map_results(wildcards):
    """Result files that a map is made of."""
    return [result_path(member) for member in planned_map(wildcards).members]


def map_analyses(wildcards):
    """Files with fits and figures of merit that a map takes quantities from."""
    if not planned_map(wildcards).needs_analysis:
        return []
    return [
        result_path(member).replace("result.nxs", "analysis.nxs")
        for member in planned_map(wildcards).members
    ]


def map_runs(wildcards):
    return [member.row.run for member in planned_map(wildcards).members]


def map_description(wildcards):
    """What a map file says of itself."""
    found = planned_map(wildcards)
    return {
        "map": found.title,
        "reduction": found.members[0].name,
        "experiment": PLAN.configuration.experiment.model_dump(),
    }


# Refined geometry ----------------------------------------------------------------------------------


def geometry_settings(wildcards):
    """What the geometry of a detector is made from."""
    settings = planned(wildcards).configuration.detectors[wildcards.detector]
    return settings.model_dump(include={"shape", "geometry", "orientation"})


@mendable
def refined_from(wildcards):
    """Files of the geometry that is refined."""
    return geometry_files(geometry_settings(wildcards))


# Exports -------------------------------------------------------------------------------------------


def exported_analysis(wildcards):
    """File with the fitted values of each frame, if there are any."""
    folder = f"results/{wildcards.run}/{wildcards.reduction}"
    return [f"{folder}/analysis.nxs"] if planned(wildcards).analysis else []
