"""Reading the YAML files of CHAP's SAXS/WAXS workflow (ChessAnalysisPipeline, `CHAP.saxswaxs`).

Configurations stand in files of their own, or as values of `map_config`, `pyfai_config`,
`detector_config`, `correction_config`, `fit_config` inside a pipeline:

    config: {root: ., inputdir: input}
    setup:
    - common.YAMLReader: {filename: map_config.yaml, schema: common.models.map.MapConfig}
    - saxswaxs.SetupProcessor: {detector_config: {detectors: [{id: PIL9, shape: [407, 487]}]}}

A file or value is recognised by what it holds, not by its name.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scatterflow.config.yaml_file import read_yaml_value
from scatterflow.convert.chap_models import Correction, Detector, Fit, Map, Pyfai, checked
from scatterflow.detectors.poni import is_file
from scatterflow.errors import UserError, shortened, suggestion

LISTS = {
    "detectors": ("id", "detector_config"),
    "corrections": ("correction_type", "correction_config"),
    "fits": ("models", "fit_config"),
}


@dataclass
class ChapConfiguration:
    """Everything that was read: plain values as in the files.

    folders: where relative paths may begin, in the order in which they are tried; input_folder: the one
    that a pipeline names, None without one.
    """

    map: dict[str, Any] = field(default_factory=dict)
    pyfai: dict[str, Any] = field(default_factory=dict)
    detectors: list[dict[str, Any]] = field(default_factory=list)
    corrections: list[dict[str, Any]] = field(default_factory=list)
    fits: list[dict[str, Any]] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    input_folder: Path | None = None

    def find(self, path: str) -> Path:
        """The absolute path of a file named in the configuration; it need not exist."""
        candidates = [(folder / Path(path).expanduser()).absolute() for folder in self.folders]
        return next((item for item in candidates if is_file(item)), candidates[0])


def read_chap(paths: list[str | Path]) -> ChapConfiguration:
    """Read the files of a CHAP configuration; a pipeline's readers name further ones.

    Raises UserError for a file that is no YAML or no CHAP configuration, for one of a kind given twice,
    and if the map or the integrations are missing.
    """
    found = ChapConfiguration(folders=[Path.cwd()])
    for path in map(Path, paths):
        folder = path.absolute().parent
        if folder not in found.folders:
            found.folders.append(folder)
        value = read_yaml_value(path)
        if not _take(found, value, str(path)) and not _take_pipeline(found, value, str(path)):
            raise _unknown(value, str(path))
    names = ", ".join(map(str, paths))
    if not found.map:
        raise UserError(
            "no map configuration found", names, "give the file that names `spec_scans`"
        )
    if not found.pyfai:
        raise UserError(
            "no integrations found", names, "give the file that has `azimuthal_integrators`"
        )
    found.map = checked(Map, found.map, f"{names}, map")
    found.pyfai = checked(Pyfai, found.pyfai, names)
    for name, model in (("detectors", Detector), ("corrections", Correction), ("fits", Fit)):
        items = [checked(model, item, f"{names}, {name}") for item in getattr(found, name)]
        setattr(found, name, items)
    return found


def _take(found: ChapConfiguration, value: Any, where: str) -> bool:
    """Add one configuration to what was found; False if it is none."""
    if isinstance(value, list):
        return any(
            value
            and all(isinstance(item, dict) and key in item for item in value)
            and _extend(found, name, value)
            for name, (key, _) in LISTS.items()
        )
    if not isinstance(value, dict):
        return False
    if "spec_scans" in value or {"spec_file", "scan_numbers"} <= set(value):
        return _set(found, "map", value, where)
    if "azimuthal_integrators" in value or "integrations" in value:
        return _set(found, "pyfai", value, where)
    for name, (key, _) in LISTS.items():
        if isinstance(value.get(name), list):
            return _extend(found, name, value[name])
        if key in value:
            return _extend(found, name, [value])
    return False


def _set(found: ChapConfiguration, name: str, value: dict[str, Any], where: str) -> bool:
    before = getattr(found, name)
    if before and before != value:
        raise UserError(
            f"there are two different {name} configurations", where, "convert them one by one"
        )
    setattr(found, name, value)
    return True


def _extend(found: ChapConfiguration, name: str, items: list[dict[str, Any]]) -> bool:
    # The steps of a pipeline repeat what they share.
    known = getattr(found, name)
    known += [item for item in items if item not in known]
    return True


def _take_pipeline(found: ChapConfiguration, value: Any, where: str) -> bool:
    """Add everything that a pipeline holds or reads; False if it is no pipeline."""
    if not isinstance(value, dict):
        return False
    settings = value.get("config")
    items = [item for key, steps in value.items() if key != "config" for item in _items(steps)]
    if not items:
        return False
    if isinstance(settings, dict):
        root = Path(str(settings.get("root", "."))).expanduser()
        folder = (Path.cwd() / root / str(settings.get("inputdir", "."))).resolve()
        found.folders.insert(0, folder)
        found.input_folder = folder
    for name, parameters in items:
        _take_item(found, name, parameters, where)
    return True


def _items(steps: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """(name, parameters) of every reader, processor and writer, those in blocks of several too."""
    for item in steps if isinstance(steps, list) else []:
        if isinstance(item, dict):
            for name, parameters in item.items():
                if isinstance(parameters, dict) and "items" in parameters:
                    yield from _items(parameters["items"])
                elif isinstance(parameters, dict):
                    yield str(name), parameters


def _take_item(found: ChapConfiguration, name: str, parameters: dict[str, Any], where: str) -> None:
    if name.endswith("YAMLReader"):
        path = found.find(str(parameters.get("filename", "")))
        value = read_yaml_value(path)
        if not _take(found, value, f"{where}, {path}"):
            raise _unknown(value, str(path))
        return
    for key in ("map_config", "pyfai_config", "config", *(key for _, key in LISTS.values())):
        if key in parameters:
            _take(found, parameters[key], f"{where}, {name}.{key}")
    if isinstance(parameters.get("detectors"), list):
        _take(found, {"detectors": parameters["detectors"]}, f"{where}, {name}.detectors")


def _unknown(value: Any, where: str) -> UserError:
    expected = ["spec_scans", "azimuthal_integrators", *LISTS]
    if not isinstance(value, dict):
        return UserError(
            f"this is no CHAP configuration: {shortened(value)}",
            where,
            f"a mapping with one of {', '.join(expected)}",
        )
    near = [suggestion(str(key), expected) for key in value]
    meant = [text for text in near if text.startswith("did you mean")]
    keys = ", ".join(map(str, list(value)[:5])) or "none"
    return UserError(
        f"this is no CHAP configuration (its keys: {keys})",
        where,
        meant[0] if meant else f"it should have one of {', '.join(expected)}, or be a pipeline",
    )
