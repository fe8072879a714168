"""The configuration's keys as Markdown tables, made from the models: the second half of config/README.md."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BaseModel

from scatterflow.config import (
    analysis,
    calculations,
    corrections,
    cubes,
    detectors,
    exports,
    live,
    maps,
    model,
    proposals,
    publication,
    qmap,
    quality,
    robust,
    saxswaxs,
    shot_filters,
    shot_functions,
    shot_sources,
    shots,
    sources,
    xpcs,
)
from scatterflow.config.base import NAME_PATTERN
from scatterflow.config.descriptions import described, field_texts
from scatterflow.config.expressions import FUNCTIONS, REDUCTIONS

# Every block: where it stands, its model, and the model whose keys it shares (told there only).
SECTIONS: tuple[tuple[str, type[BaseModel], type[BaseModel] | None], ...] = (
    ("Top level", model.Configuration, None),
    ("experiment", model.Experiment, None),
    ("sources.NAME", sources.SourceConfig, None),
    ("sources.NAME.scalars.NAME", sources.Scalar, None),
    ("sources.NAME.modules", sources.ModuleConfig, None),
    ("sources.NAME, all formats of shots", shot_sources.ShotSourceBase, None),
    *(
        (f"sources.NAME, format: {name}", source, shot_sources.ShotSourceBase)
        for name, source in shot_sources.SHOT_SOURCES.items()
    ),
    ("sources.NAME.scalars.NAME, formats of shots", shot_sources.ShotScalar, None),
    ("sources.NAME.detectors.NAME, format: euxfel", shot_sources.EuxfelModules, None),
    ("sources.NAME.pulses", shot_sources.PulsePattern, None),
    ("sources.NAME.detectors.NAME, format: shot_hdf5", shot_sources.DatasetOfShots, None),
    ("sources.NAME.detectors.NAME, format: psana", shot_sources.PsanaDetector, None),
    ("detectors.NAME", detectors.DetectorConfig, None),
    ("detectors.NAME.geometry", detectors.GeometryParameters, None),
    ("detectors.NAME.geometry, quadrants", detectors.QuadrantGeometry, None),
    ("detectors.NAME.masks, type: gaps", detectors.GapsMask, None),
    ("detectors.NAME.masks, type: file", detectors.FileMask, None),
    ("detectors.NAME.masks, type: polygon", detectors.PolygonMask, None),
    ("detectors.NAME.masks, type: circle", detectors.CircleMask, None),
    ("detectors.NAME.masks, type: registry", detectors.RegistryMask, None),
    ("detectors.NAME.valid", detectors.ValidRange, None),
    ("detectors.NAME.dead_time", detectors.DeadTime, None),
    ("reductions.NAME, technique: saxswaxs", saxswaxs.SaxswaxsReduction, None),
    ("reductions.NAME.integrations.NAME, all kinds", saxswaxs.IntegrationBase, None),
    (
        "reductions.NAME.integrations.NAME, kind: azimuthal",
        saxswaxs.AzimuthalIntegration,
        saxswaxs.IntegrationBase,
    ),
    (
        "reductions.NAME.integrations.NAME, kind: cake",
        saxswaxs.CakeIntegration,
        saxswaxs.IntegrationBase,
    ),
    (
        "reductions.NAME.integrations.NAME, kind: radial",
        saxswaxs.RadialIntegration,
        saxswaxs.IntegrationBase,
    ),
    (
        "reductions.NAME.integrations.NAME.robust, method: sigma_clip",
        robust.SigmaClipping,
        None,
    ),
    ("reductions.NAME.integrations.NAME.robust, method: median", robust.Median, None),
    ("reductions.NAME.integrations.NAME.robust, method: trimmed", robust.Trimmed, None),
    ("reductions.NAME.corrections", corrections.Corrections, None),
    ("reductions.NAME.corrections.dark", corrections.DarkSubtraction, None),
    ("reductions.NAME.corrections.flux", corrections.FluxNormalisation, None),
    ("reductions.NAME.corrections.absorption", corrections.AbsorptionCorrection, None),
    ("reductions.NAME.corrections.background", corrections.BackgroundSubtraction, None),
    ("reductions.NAME.corrections.thickness", corrections.Thickness, None),
    ("reductions.NAME.corrections.absolute", corrections.AbsoluteScale, None),
    ("reductions.NAME.calibrant", saxswaxs.CalibrantCheck, None),
    ("reductions.NAME.fits.NAME", analysis.Fit, None),
    ("reductions.NAME.fits.NAME.components", analysis.FitComponent, None),
    ("reductions.NAME.fits.NAME.components.parameters.NAME", analysis.FitParameter, None),
    ("reductions.NAME.figures.NAME, most types", analysis.ProfilePart, None),
    *(
        (f"reductions.NAME.figures.NAME, type: {name}", figure, analysis.ProfilePart)
        for name, figure in analysis.FIGURE_TYPES.items()
    ),
    ("reductions.NAME.figures.NAME, type: expression", analysis.Calculated, None),
    ("reductions.NAME.map", maps.MapSettings, None),
    ("reductions.NAME.map.axes", maps.MapAxis, None),
    ("reductions.NAME.map.axes.values", maps.GridRange, None),
    ("maps.NAME", maps.JointMap, maps.MapSettings),
    ("reductions.NAME.exports", exports.Exports, None),
    ("reductions.NAME, technique: xpcs", xpcs.XpcsReduction, None),
    ("reductions.NAME.qmap", qmap.QMapSettings, None),
    ("reductions.NAME.qmap.coordinates, name: q", qmap.QCoordinate, None),
    ("reductions.NAME.qmap.coordinates, name: phi", qmap.PhiCoordinate, None),
    ("reductions.NAME.qmap.coordinates, name: x or y", qmap.PixelCoordinate, None),
    ("reductions.NAME.qmap.coordinates.dynamic", qmap.DynamicBins, None),
    ("reductions.NAME.frames", xpcs.FrameSelection, None),
    ("reductions.NAME.frames.automatic_bad", xpcs.AutomaticBadFrames, None),
    ("reductions.NAME.crop", xpcs.Crop, None),
    ("reductions.NAME.preprocessing", xpcs.Preprocessing, None),
    ("reductions.NAME.multitau", xpcs.MultiTau, None),
    ("reductions.NAME.twotime", xpcs.TwoTime, None),
    ("reductions.NAME.speckle_statistics", xpcs.SpeckleStatistics, None),
    ("reductions.NAME.fits.NAME, technique: xpcs", xpcs.CorrelationFit, None),
    ("reductions.NAME.diffusion", xpcs.Diffusion, None),
    ("reductions.NAME, technique: shots", shots.ShotsReduction, None),
    ("reductions.NAME.defaults", shots.DefaultDetectorSettings, None),
    ("reductions.NAME.defaults.light", shots.Light, None),
    ("reductions.NAME.defaults.light.BEAM", shots.LightRuleSettings, None),
    ("reductions.NAME.defaults.monitors.NAME", shots.FourDiodes, None),
    ("reductions.NAME.defaults.time_tool", shots.TimeTool, None),
    ("reductions.NAME.detectors.NAME", shots.ShotDetector, None),
    ("reductions.NAME.detectors.NAME.dark", shots.DarkRun, None),
    ("reductions.NAME.detectors.NAME.calibration", shots.CalibrationSettings, None),
    ("reductions.NAME.detectors.NAME.calibration.gain_bits", shots.GainBitSettings, None),
    ("reductions.NAME.detectors.NAME.calibration.common_mode", shots.CommonModeSettings, None),
    (
        "reductions.NAME.detectors.NAME.functions.NAME, all kinds",
        shot_functions.FunctionBase,
        None,
    ),
    *(
        (
            f"reductions.NAME.detectors.NAME.functions.NAME, kind: {name}",
            function,
            shot_functions.FunctionBase,
        )
        for name, function in shot_functions.FUNCTIONS.items()
    ),
    ("functions.NAME.droplets, technique: shots", shot_functions.DropletSettings, None),
    ("functions.NAME.photons, technique: shots", shot_functions.PhotonSettings, None),
    ("reductions.NAME.detectors.NAME.statistics.NAME, all kinds", shots.StatisticBase, None),
    *(
        (
            f"reductions.NAME.detectors.NAME.statistics.NAME, kind: {name}",
            statistic,
            shots.StatisticBase,
        )
        for name, statistic in shots.STATISTICS.items()
    ),
    ("reductions.NAME.variables.NAME, type: delay", shot_filters.DelayVariable, None),
    ("reductions.NAME.variables.NAME.stage", shot_filters.StagePosition, None),
    ("reductions.NAME.variables.NAME, type: expression", shot_filters.ExpressionVariable, None),
    *(
        (f"reductions.NAME.filters.NAME, type: {name}", item, None)
        for name, item in shot_filters.FILTERS.items()
    ),
    ("reductions.NAME.calculations.NAME, all types", calculations.Calculation, None),
    *(
        (f"reductions.NAME.calculations.NAME, type: {name}", item, calculations.Calculation)
        for name, item in calculations.CALCULATIONS.items()
    ),
    ("reductions.NAME.calculations.NAME.x, y", calculations.BinnedVariable, None),
    ("reductions.NAME.cubes.NAME", cubes.CubeSettings, None),
    ("reductions.NAME.cubes.NAME.axes.NAME, all types", cubes.CubeAxis, None),
    *(
        (f"reductions.NAME.cubes.NAME.axes.NAME, type: {name}", axis, cubes.CubeAxis)
        for name, axis in cubes.AXES.items()
    ),
    ("reductions.NAME.cubes.NAME.labels.NAME", cubes.CubeLabel, None),
    ("reductions.NAME.cubes.NAME.difference", cubes.CubeDifference, None),
    ("proposals.NAME, all types", proposals.ProposalBase, None),
    ("proposals.NAME, type: hot", proposals.HotProposal, proposals.ProposalBase),
    ("proposals.NAME, type: dead", proposals.DeadProposal, proposals.ProposalBase),
    ("proposals.NAME, type: response", proposals.ResponseProposal, proposals.ProposalBase),
    ("proposals.NAME, type: outliers", proposals.OutliersProposal, proposals.ProposalBase),
    ("proposals.NAME, type: saturated", proposals.SaturatedProposal, proposals.ProposalBase),
    ("proposals.NAME, type: shadow", proposals.ShadowProposal, proposals.ProposalBase),
    ("overrides", model.Override, None),
    ("chunks", model.Chunks, None),
    ("publication", publication.Publication, None),
    ("publication.tiled", publication.TiledTarget, None),
    ("publication.globus", publication.GlobusTarget, None),
    ("publication.scicat", publication.ScicatTarget, None),
    ("quality", quality.Quality, None),
    ("quality.saxswaxs and quality.xpcs", quality.CommonChecks, None),
    ("quality.saxswaxs", quality.SaxswaxsChecks, quality.CommonChecks),
    ("quality.xpcs", quality.XpcsChecks, quality.CommonChecks),
    ("quality.shots", quality.ShotsChecks, None),
    ("quality.TECHNIQUE.CHECK", quality.Switch, None),
    ("quality.TECHNIQUE.CHECK, with a limit", quality.Limit, quality.Switch),
    ("quality.TECHNIQUE.CHECK, with two limits", quality.Range, quality.Switch),
    ("live", live.Live, None),
    ("staging", model.Staging, None),
    ("demo", model.Demo, None),
)


def key_tables() -> str:
    """Markdown: one section for each block, with a table of its keys."""
    return "\n".join(_section(*section) for section in SECTIONS)


def function_table() -> str:
    """Markdown: the functions of the expression language, with their arguments."""
    lines = []
    for title, functions in (("of each frame", FUNCTIONS), ("over all frames", REDUCTIONS)):
        calls = ", ".join(_call(name, count) for name, (count, _) in functions.items())
        lines.append(f"* {title}: {calls}\n")
    return "".join(lines)


def _call(name: str, count: int) -> str:
    arguments = "condition, yes, no" if name == "where" else ", ".join("xyz"[:count])
    return f"`{name}({arguments})`"


def configuration_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the configuration file, for editors."""
    schema = described(model.Configuration.model_json_schema(), model.Configuration)
    _close_mappings(schema)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _close_mappings(node: Any) -> None:
    """Blocks by name accept nothing under what is not a name."""
    if isinstance(node, dict) and "patternProperties" in node:
        node["additionalProperties"] = False
    if isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            _close_mappings(item)


def updated(readme: str) -> str:
    """config/README.md with its generated parts made anew, between their markers."""
    for name, text in (("functions", function_table()), ("keys", key_tables())):
        begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
        before, marked, rest = readme.partition(begin)
        _, ended, after = rest.partition(end)
        if marked and ended:
            readme = before + begin + text + end + after
    return readme


def _section(title: str, block: type[BaseModel], base: type[BaseModel] | None) -> str:
    schema = _schema(block)
    required = schema.get("required", [])
    known = base.model_fields if base else {}
    texts = field_texts(block)
    lines = [f"### {title}", "", _one_line(schema["description"]), ""]
    lines += ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    for key, field in schema["properties"].items():
        if key in known:
            continue
        kind = _escape(_kind(field))
        default = "**required**" if key in required else _default(field)
        meaning = _escape(_one_line(texts[key]))
        lines.append(f"| `{key}` | {kind} | {default} | {meaning} |")
    return "\n".join([*lines, ""])


def _schema(block: type[BaseModel]) -> dict[str, Any]:
    """JSON Schema of one model; of one that holds itself, that behind the reference."""
    schema = block.model_json_schema()
    if "$ref" in schema:
        return schema["$defs"][schema["$ref"].rpartition("/")[2]]
    return schema


def _kind(field: dict[str, Any]) -> str:
    """What a value may be, in words."""
    if "$ref" in field:
        return "block"
    if "anyOf" in field or "oneOf" in field:
        return _choice(field.get("anyOf") or field["oneOf"])
    if "const" in field:
        return _word(field["const"])
    if "enum" in field:
        return "one of " + ", ".join(_word(value) for value in field["enum"])
    kind = field.get("type")
    if kind == "array":
        return _list(field)
    if kind == "object":
        return _mapping(field)
    if kind in ("number", "integer"):
        return _number(field)
    if kind == "string":
        return "name" if _is_name(field) else field.get("format", "text")
    return {"boolean": "`true` or `false`", "null": "`null`", None: "anything"}[kind]


def _choice(kinds: list[dict[str, Any]]) -> str:
    # That an optional key may be null is what its default says.
    words = [_kind(kind) for kind in kinds if kind.get("type") != "null"]
    return " or ".join(dict.fromkeys(words))


def _list(field: dict[str, Any]) -> str:
    if "prefixItems" in field:
        items = [_kind(item) for item in field["prefixItems"]]
        if len(set(items)) == 1:
            return f"list of {len(items)} {_plural(items[0])}"
        return f"list of {len(items)}: {', '.join(items)}"
    least = field.get("minItems", 0)
    number = f"at least {least} " if least > 1 else ""
    return f"list of {number}{_plural(_kind(field['items']))}"


def _mapping(field: dict[str, Any]) -> str:
    by_pattern = field.get("patternProperties")
    values = next(iter(by_pattern.values())) if by_pattern else field.get("additionalProperties")
    kind = _plural(_kind(values)) if isinstance(values, dict) else "anything"
    return f"{kind} by {'name' if by_pattern else 'key'}"


def _plural(kind: str) -> str:
    """`number > 0` as `numbers > 0`."""
    for noun in ("whole number", "number", "block", "name", "path", "list"):
        if kind == noun or kind.startswith(f"{noun} "):
            return f"{noun}s{kind.removeprefix(noun)}"
    return kind


def _number(field: dict[str, Any]) -> str:
    name = "whole number" if field["type"] == "integer" else "number"
    if "minimum" in field and "maximum" in field:
        return f"{name} {field['minimum']:.12g} to {field['maximum']:.12g}"
    limits = {"exclusiveMinimum": ">", "minimum": "≥", "exclusiveMaximum": "<", "maximum": "≤"}
    told = [f"{sign} {field[limit]:.12g}" for limit, sign in limits.items() if limit in field]
    return f"{name} {' and '.join(told)}".strip()


def _is_name(field: dict[str, Any]) -> bool:
    return NAME_PATTERN in field.get("pattern", "")


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", [], {}):
        return "-"
    if isinstance(value, dict) and "on_violation" in value:
        # A check: its defaults are its own, not those of its kind.
        return ", ".join(f"{key}: {_word(item)}" for key, item in reversed(value.items()))
    if isinstance(value, dict):
        return "-"  # of a block, its own table tells
    return _word(value)


def _word(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _escape(text: str) -> str:
    return text.replace("|", "\\|")
