# Input functions and parameters of the rules of masks, weights and proposals. No rules here.


# Masks and weights ---------------------------------------------------------------------------------


@mendable
def mask_inputs(wildcards):
    """Files that a composite mask is made from; a pin stands for a mask of the registry."""
    settings = PLAN.masks[wildcards.key]
    paths = [settings["dark"], settings["flat"]]
    paths += [mask["path"] for mask in settings["masks"] if mask["type"] == "file"]
    return (
        geometry_files(settings)
        + existing(filter(None, paths), settings["detector"])
        + pin_files(settings)
    )


@mendable
def weights_inputs(wildcards):
    """Files that weights are made from, besides the mask."""
    settings = PLAN.weights[wildcards.key]
    together = (settings["merged"] or {}).values()
    geometries = [
        file for item in (settings, *together) for file in geometry_files(item)
    ]
    return list(dict.fromkeys(geometries)) + existing(
        filter(None, [settings["flat"]]), settings["detector"]
    )


@mendable
def existing(paths, detector):
    """The paths, for which a file must be there; `file.h5::/dataset` names a dataset in one."""
    files = [path.split("::")[0] for path in paths]
    for path in files:
        if not Path(path).is_file():
            raise UserError(
                f"file {path} does not exist",
                f"key detectors.{detector}",
                "correct the path",
            )
    return files


def weights_mask(wildcards):
    return f"resources/masks/{PLAN.weights[wildcards.key]['mask']}.h5"


# Proposals of masks --------------------------------------------------------------------------------


def proposal_settings(wildcards):
    return PLAN.configuration.proposals[wildcards.proposal].model_dump()


def proposal_detector(wildcards):
    """What a proposal needs to know of its detector."""
    settings = PLAN.configuration.detectors[proposal_settings(wildcards)["detector"]]
    used = {"shape", "geometry", "orientation", "valid"}
    return settings.model_dump(include=used)


@mendable
def proposal_place(wildcards):
    return proposal_location(PLAN, wildcards.proposal)


@mendable
def proposal_inputs(wildcards):
    """Raw files of the run that a proposal is made from."""
    return proposal_files(PLAN, wildcards.proposal)


@mendable
def proposal_geometry(wildcards):
    return geometry_files(proposal_detector(wildcards))
