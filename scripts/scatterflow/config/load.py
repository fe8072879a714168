"""From YAML to a validated configuration, with errors that name the key."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from scatterflow.config.expressions import ExpressionError, compile_expression
from scatterflow.config.model import Configuration, Override
from scatterflow.config.runs import RunRow
from scatterflow.config.selectors import matches_where, parse_selector, selects
from scatterflow.errors import UserError, suggestion
from scatterflow.units import check_unit


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice (YAML would silently keep the last)."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """A YAML file as a dict; raises UserError with line and column for anything malformed."""
    try:
        data = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_UniqueKeyLoader)
    except FileNotFoundError:
        raise UserError(
            "the configuration file does not exist", str(path), "check the path"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}, line {mark.line + 1}, column {mark.column + 1}" if mark else str(path)
        problem = getattr(error, "problem", None) or str(error)
        raise UserError(f"not valid YAML: {problem}", where, "correct the file") from None
    if not isinstance(data, dict):
        raise UserError("the configuration is not a mapping of keys", str(path), "see config/README.md")
    return data


def validate(data: dict[str, Any], origin: str) -> Configuration:
    """The configuration in `data`; `origin` says where it comes from in errors.

    Raises UserError naming every wrong key.
    """
    try:
        configuration = Configuration.model_validate(data)
    except ValidationError as error:
        raise _user_error(error, origin) from None
    _check_scalars(configuration, origin)
    return configuration


def _user_error(error: ValidationError, origin: str) -> UserError:
    problems = []
    for item in error.errors(include_url=False):
        key = ".".join(str(part) for part in item["loc"]) or "top level"
        message = item["msg"].removeprefix("Value error, ")
        shown = repr(item["input"])
        if item["type"] != "value_error" and len(shown) < 80:
            message += f", got {shown}"
        problems.append((key, message))
    first = problems[0]
    if len(problems) == 1:
        return UserError(first[1], f"{origin}, key {first[0]}", "see config/README.md for every key")
    text = "".join(f"\n       {key}: {message}" for key, message in problems)
    return UserError(
        f"{len(problems)} mistakes in the configuration:{text}",
        origin,
        "see config/README.md for every key",
    )


def _check_scalars(configuration: Configuration, origin: str) -> None:
    for source_name, source in configuration.sources.items():
        for name, scalar in source.scalars.items():
            where = f"{origin}, key sources.{source_name}.scalars.{name}"
            try:
                check_unit(scalar.unit)
            except ValueError as error:
                raise UserError(str(error), f"{where}.unit", "correct the unit") from None
            if scalar.type != "expression":
                continue
            try:
                names = compile_expression(str(scalar.name)).names
            except ExpressionError as error:
                raise UserError(
                    f"bad expression {scalar.name!r}: {error}", f"{where}.name", "correct it"
                ) from None
            for used in sorted(names - set(source.scalars)):
                raise UserError(
                    f"the expression uses {used!r}, which is no scalar of this source",
                    f"{where}.name",
                    suggestion(used, set(source.scalars) - {name}),
                )


class RunConfigurations:
    """The configuration as each run sees it, overrides applied; runs alike share one object."""

    def __init__(self, data: dict[str, Any], origin: str) -> None:
        self._data = data
        self._origin = origin
        self.base = validate(data, origin)
        self._selectors = [self._selector(index) for index in range(len(self.base.overrides))]
        self._cache: dict[tuple[int, ...], Configuration] = {(): self.base}

    def for_run(self, row: RunRow) -> Configuration:
        """The configuration of one run."""
        applied = tuple(
            index
            for index, override in enumerate(self.base.overrides)
            if self._applies(index, override, row)
        )
        if applied not in self._cache:
            data = copy.deepcopy(self._data)
            for index in applied:
                for key, value in self.base.overrides[index].set.items():
                    self._set(data, key, value, index)
            where = ", ".join(f"overrides[{index}]" for index in applied)
            self._cache[applied] = validate(data, f"{self._origin} with {where} applied")
        return self._cache[applied]

    def _selector(self, index: int) -> list[str | tuple[int, int]] | None:
        override = self.base.overrides[index]
        if override.runs is None:
            return None
        try:
            return parse_selector(override.runs)
        except ValueError as error:
            raise UserError(
                str(error), f"{self._origin}, key overrides[{index}].runs", "correct the selection"
            ) from None

    def _applies(self, index: int, override: Override, row: RunRow) -> bool:
        selector = self._selectors[index]
        if selector is not None and not selects(selector, row.run):
            return False
        try:
            return matches_where(override.where, row.columns)
        except KeyError as error:
            raise UserError(
                f"the run table has no column {error.args[0]!r}",
                f"{self._origin}, key overrides[{index}].where",
                suggestion(str(error.args[0]), row.columns),
            ) from None

    def _set(self, data: dict[str, Any], key: str, value: Any, index: int) -> None:
        where = f"{self._origin}, key overrides[{index}].set"
        parts = key.split(".")
        if parts[0] not in ("detectors", "reductions", "sources", "chunks"):
            raise UserError(
                f"{key!r} cannot be overridden by run", where, "detectors, reductions, sources, chunks can"
            )
        node: Any = data
        for depth, part in enumerate(parts[:-1]):
            # An optional block that is left out may be filled in; a name that is a list index is followed.
            if isinstance(node, list):
                node = node[self._position(node, part, key, where)]
                continue
            if part not in node or node[part] is None:
                if depth < 2:
                    raise UserError(f"{key!r}: there is no {part!r}", where, suggestion(part, node))
                node[part] = {}
            node = node[part]
            if not isinstance(node, dict | list):
                raise UserError(f"{key!r}: {part!r} holds no further keys", where, "correct the key")
        if isinstance(node, list):
            node[self._position(node, parts[-1], key, where)] = value
        else:
            node[parts[-1]] = value

    @staticmethod
    def _position(node: list[Any], part: str, key: str, where: str) -> int:
        # Items of a list (masks) are addressed by their `name`.
        names = [item.get("name", item.get("type")) for item in node if isinstance(item, dict)]
        if part not in names:
            raise UserError(
                f"{key!r}: no item is named {part!r}", where, suggestion(part, map(str, names))
            )
        return names.index(part)
