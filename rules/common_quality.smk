# Input functions and parameters of the rules that check results. No rules here.


@mendable
def planned_result(wildcards):
    """The planned reduction of any technique."""
    found = PLAN.xpcs.get((wildcards.run, wildcards.result))
    return found or PLAN.find(wildcards.run, wildcards.result)


def assessed_files(wildcards):
    """Everything that a reduction of a run delivers."""
    reduction = planned_result(wildcards)
    if reduction.reduction.technique == "xpcs":
        return xpcs_files(reduction)
    return result_files(reduction)


def assessed_analysis(wildcards):
    """File of the fits of a result, if there are any."""
    return [
        path for path in assessed_files(wildcards) if path.endswith("/analysis.nxs")
    ]


def assessed_rings(wildcards):
    """Verdicts of the calibrant checks of a result."""
    tables = [path for path in assessed_files(wildcards) if path.endswith("_rings.tsv")]
    return [path.replace("_rings.tsv", "_rings.json") for path in tables]


def assessed_history(wildcards):
    """Results of the sample's earlier runs."""
    return history_of(PLAN, planned_result(wildcards))


@mendable
def all_verdicts(wildcards):
    """Verdicts on everything that the run table asks for and that can be read."""
    return [quality_path(planned) for planned in usable_results()]


def starvation_limit(wildcards):
    """Noise of g2 from which on a bin is drawn grey, None for never."""
    settings = planned_xpcs(wildcards).configuration.quality.xpcs.photon_starvation
    return None if settings.on_violation == "ignore" else settings.limit
