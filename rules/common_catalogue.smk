# Input functions and parameters of the rules that serve all techniques. No rules here.
from scatterflow.plan import catalogue as catalogue_plan


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


@mendable
def all_records(wildcards):
    """Records of everything that the run table asks for and that can be read."""
    return [record_path(planned) for planned in usable_results()]


def portal_pages(wildcards):
    """Templates, style and scripts of the portal: what its code digest does not see."""
    catalogue = SCATTERFLOW / "scripts/scatterflow/catalogue"
    return sorted(map(str, [*catalogue.glob("pages/*"), *catalogue.glob("assets/*")]))
