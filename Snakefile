# scatterflow: X-ray scattering data from raw runs to corrected, plotted, searchable results.
# Look at the plan with `snakemake -n`, run it with `snakemake`; everything is set in config/.
from snakemake.utils import min_version

min_version("9.0")


include: "rules/start.smk"


# A configuration given with --configfile stands alone, it is not merged into the demo's.
if not workflow.overwrite_configfiles:

    configfile: DEFAULT_CONFIGURATION


report: "rules/report/workflow.rst"


include: "rules/common.smk"
include: "rules/common_masks.smk"
include: "rules/common_results.smk"
include: "rules/common_xpcs.smk"
include: "rules/common_shots.smk"
include: "rules/common_cubes.smk"
include: "rules/common_quality.smk"
include: "rules/common_live.smk"
include: "rules/common_catalogue.smk"
include: "rules/detectors.smk"
include: "rules/proposals.smk"
include: "rules/saxswaxs.smk"
include: "rules/analysis.smk"
include: "rules/maps.smk"
include: "rules/xpcs.smk"
include: "rules/shots.smk"
include: "rules/cubes.smk"
include: "rules/plots.smk"
include: "rules/plots_xpcs.smk"
include: "rules/plots_shots.smk"
include: "rules/plots_shot_detectors.smk"
include: "rules/exports.smk"
include: "rules/quality.smk"
include: "rules/live.smk"
include: "rules/catalogue.smk"
include: "rules/portal.smk"


if PLAN.configuration.demo is not None:

    include: "rules/demo.smk"


# Done in a second, and not worth a place in a queue.
localrules:
    all,
    setup_container,


rule all:
    default_target: True
    input:
        all_results,


onstart:
    stop_left_over_jobs()


onsuccess:
    print_verdicts()
    if WATCHED:
        make_overviews()


onerror:
    print_verdicts()
    make_overviews()
