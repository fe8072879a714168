# Input functions and parameters of the rules that serve all techniques. No rules here.
from scatterflow.plan import catalogue as catalogue_plan

RESULT_PATTERN = "|".join(re.escape(name) for name in PLAN.configuration.reductions)


@mendable
def planned_result(wildcards):
    """A reduction of any technique."""
    found = PLAN.xpcs.get((wildcards.run, wildcards.result))
    return found or PLAN.find(wildcards.run, wildcards.result)


def described_files(wildcards):
    """The files and folders of a result."""
    return catalogue_plan.all_files(PLAN, planned_result(wildcards))


def described_plot(wildcards):
    return catalogue_plan.thumbnail_plot(planned_result(wildcards))


def described_masks(wildcards):
    keys = catalogue_plan.mask_keys(planned_result(wildcards))
    return [f"resources/masks/{key}.h5" for key in keys.values()]


@mendable
def described_geometries(wildcards):
    """Files of the geometry of a result's detectors."""
    settings = catalogue_plan.description(PLAN, planned_result(wildcards))["geometries"]
    return [path for item in settings.values() for path in geometry_files(item)]


def all_records(wildcards):
    """Records of everything that the run table asks for."""
    return [
        catalogue_plan.record_path(planned)
        for planned in catalogue_plan.delivered(PLAN)
    ]
