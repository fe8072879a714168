"""Build the composite good mask of one detector."""

from scatterflow.script import run_named


def main(detector: str, settings: dict, mask: str) -> None:
    """settings: the detector's configuration; mask: the file to write."""
    import logging

    from scatterflow.detectors.good_mask import write_mask
    from scatterflow.detectors.masks import build_mask
    from scatterflow.detectors.unusable import mask_unusable
    from scatterflow.registry.pinned import with_pinned_masks

    settings = with_pinned_masks(settings, detector)
    good = build_mask(settings, detector)
    good = mask_unusable(good, settings)
    for warning in good.warnings:
        logging.getLogger("scatterflow").warning(warning)
    write_mask(mask, good)


if "snakemake" in globals():
    run_named(main, snakemake)
