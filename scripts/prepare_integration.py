"""Fold geometry, mask, corrections and pixel splitting of one integration into weights."""

from scatterflow.script import run_named


def main(detector: str, settings: dict, mask: str, weights: str) -> None:
    """settings: the integration and the detector's configuration; mask: read; weights: written."""
    from scatterflow.detectors.geometry import load_geometry
    from scatterflow.detectors.good_mask import read_mask
    from scatterflow.detectors.images import load_image
    from scatterflow.detectors.unusable import image_sha256
    from scatterflow.saxswaxs.common_bins import common_bins
    from scatterflow.saxswaxs.weights import describe_weights, prepare_weights, write_weights

    integrator = load_geometry(settings, detector)
    good = read_mask(mask)
    flat = settings["flat"] and load_image(settings["flat"], tuple(settings["shape"]), "flat")
    together = {
        name: load_geometry(item, name) for name, item in (settings["merged"] or {}).items()
    }
    integration = settings["integration"]
    if together:
        integration = common_bins(integration, together)
    reference = next(iter(together.values()), integrator)
    prepared = prepare_weights(integrator, good.good, integration, flat, reference)
    identity = describe_weights(prepared, integrator, good.sha256, image_sha256(good, "flat"))
    write_weights(weights, identity)


if "snakemake" in globals():
    run_named(main, snakemake)
