# Input functions and parameters of the rules that check results. No rules here.


def assessed_files(wildcards):
    """Everything that a reduction of a run delivers."""
    reduction = planned_result(wildcards)
    files = {"saxswaxs": result_files, "xpcs": xpcs_files, "shots": shots_files}
    return files[reduction.reduction.technique](reduction)


def assessed_analysis(wildcards):
    """File of the fits of a result, if there are any."""
    return [
        path for path in assessed_files(wildcards) if Path(path).name == "analysis.nxs"
    ]


def assessed_rings(wildcards):
    """Verdicts of the calibrant checks of a result."""
    tables = [path for path in assessed_files(wildcards) if path.endswith("_rings.tsv")]
    return [path.replace("_rings.tsv", "_rings.json") for path in tables]


def assessed_history(wildcards):
    """Results of the sample's earlier runs."""
    results = history_of(PLAN, planned_result(wildcards))
    return [path for path in results if not refusal(*Path(path).parts[1:3])]


@mendable
def all_verdicts(wildcards):
    """Verdicts on everything that the run table asks for and that can be read."""
    return [quality_path(planned) for planned in usable_results()]


def starvation_limit(wildcards):
    """Noise of g2 from which on a bin is drawn grey, None for never."""
    settings = planned_xpcs(wildcards).configuration.quality.xpcs.photon_starvation
    return None if settings.on_violation == "ignore" else settings.limit


def assessed_small_data(wildcards):
    """Small data of a result of technique `shots`."""
    folder = f"results/{wildcards.run}/{wildcards.result}"
    is_shots = (wildcards.run, wildcards.result) in PLAN.shots
    return [f"{folder}/{wildcards.run}.h5"] if is_shots else []
