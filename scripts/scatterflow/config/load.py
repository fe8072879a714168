"""From plain values to a validated configuration, and to the configuration as each run sees it."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ValidationError

from scatterflow.config.expressions import ExpressionError, compile_expression
from scatterflow.config.messages import user_error
from scatterflow.config.model import Configuration, Override
from scatterflow.config.runs import RunRow
from scatterflow.config.selectors import matches_where, parse_selector, selects
from scatterflow.config.sources import SourceConfig
from scatterflow.config.yaml_file import read_yaml
from scatterflow.errors import UserError, shortened, suggestion
from scatterflow.units import check_unit

__all__ = ["RunConfigurations", "read_yaml", "validate"]

# Blocks of the configuration that may differ from run to run.
OVERRIDABLE = ("detectors", "reductions", "sources", "chunks", "quality")
# Of these the next key is a name: one that is not there is a slip of the pen.
NAMED = ("detectors", "reductions", "sources")


def validate(data: dict[str, Any], origin: str) -> Configuration:
    """The configuration in `data`; `origin` says where it comes from in errors.

    Raises UserError naming every wrong key.
    """
    try:
        configuration = Configuration.model_validate(data)
    except ValidationError as error:
        raise user_error(error, data, origin) from None
    except RecursionError:
        raise UserError("the configuration contains itself", origin, "write it out") from None
    for name, source in configuration.sources.items():
        if isinstance(source, SourceConfig):
            _check_scalars(source, f"{origin}, key sources.{name}.scalars")
    return configuration


def _check_scalars(source: SourceConfig, where: str) -> None:
    """Units and expressions; circles of expressions as well."""
    uses: dict[str, set[str]] = {}
    for name, scalar in source.scalars.items():
        try:
            check_unit(scalar.unit)
        except ValueError as error:
            raise UserError(str(error), f"{where}.{name}.unit", "correct the unit") from None
        if scalar.type == "expression":
            uses[name] = _names_used(str(scalar.name), source, name, f"{where}.{name}.name")
    for name in uses:
        _refuse_circle(name, uses, where)


def _names_used(text: str, source: SourceConfig, own: str, where: str) -> set[str]:
    try:
        names = compile_expression(text).names
    except ExpressionError as error:
        raise UserError(f"bad expression {text!r}: {error}", where, "correct it") from None
    for used in sorted(names - set(source.scalars)):
        raise UserError(
            f"the expression uses {used!r}, which is no scalar of this source",
            where,
            suggestion(used, set(source.scalars) - {own}),
        )
    return set(names)


def _refuse_circle(start: str, uses: dict[str, set[str]], where: str) -> None:
    reached: set[str] = set()
    waiting = sorted(uses[start])
    while waiting:
        name = waiting.pop()
        if name == start:
            raise UserError(
                f"the expression {start!r} uses its own value",
                f"{where}.{start}.name",
                "an expression uses other scalars, and none that is computed from it",
            )
        if name not in reached:
            reached.add(name)
            waiting += sorted(uses.get(name, ()))


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
                    # A copy: a later override may reach into what this one sets.
                    _set(data, key, copy.deepcopy(value), self._where(index, "set"))
            names = ", ".join(f"overrides[{index}]" for index in applied)
            self._cache[applied] = validate(data, f"{self._origin} with {names} applied")
        return self._cache[applied]

    def unused_overrides(self) -> list[str]:
        """A note for each override that no run so far was chosen by."""
        used = {index for applied in self._cache for index in applied}
        return [
            f"overrides[{index}] (runs: {override.runs}, where: {override.where}) matches no run"
            for index, override in enumerate(self.base.overrides)
            if index not in used
        ]

    def _where(self, index: int, key: str) -> str:
        return f"{self._origin}, key overrides[{index}].{key}"

    def _selector(self, index: int) -> list[str | tuple[int, int]] | None:
        override = self.base.overrides[index]
        if override.runs is None:
            return None
        try:
            return parse_selector(override.runs)
        except ValueError as error:
            raise UserError(
                str(error), self._where(index, "runs"), "correct the selection"
            ) from None

    def _applies(self, index: int, override: Override, row: RunRow) -> bool:
        selector = self._selectors[index]
        try:
            # First: a column that is not there is a mistake whichever runs are meant.
            as_wanted = matches_where(override.where, row.columns)
        except KeyError as error:
            raise UserError(
                f"the run table has no column {error.args[0]!r}",
                self._where(index, "where"),
                suggestion(str(error.args[0]), row.columns),
            ) from None
        return as_wanted and (selector is None or selects(selector, row.run))


def _set(data: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key: keys of blocks, names of list items (masks)."""
    parts = key.split(".")
    if parts[0] not in OVERRIDABLE:
        raise UserError(
            f"{shortened(key)} cannot be overridden by run", where, f"{', '.join(OVERRIDABLE)} can"
        )
    node: Any = data
    depth, names_at = 0, 1 if parts[0] in NAMED else None
    while len(parts) > 1:
        part, parts = _next_part(node, parts)
        if not parts:
            parts = [part]
            break
        node = _enter(node, part, depth == names_at, key, where)
        depth += 1
    last = parts[0]
    if isinstance(node, list):
        node[_position(node, last, key, where)] = value
    elif depth == names_at and last not in node:
        raise UserError(f"{shortened(key)}: there is no {last!r}", where, suggestion(last, node))
    else:
        node[last] = value


def _next_part(node: Any, parts: list[str]) -> tuple[str, list[str]]:
    """The first key of the rest, and what is left; names may hold dots, the longest one counts."""
    names = node if isinstance(node, dict) else _names(node)
    for length in range(len(parts), 1, -1):
        if ".".join(parts[:length]) in names:
            return ".".join(parts[:length]), parts[length:]
    return parts[0], parts[1:]


def _enter(node: Any, part: str, is_name: bool, key: str, where: str) -> Any:
    if isinstance(node, list):
        inner = node[_position(node, part, key, where)]
    else:
        if node.get(part) is None:
            # An optional block that is left out may be filled in, a detector or reduction not.
            if is_name:
                raise UserError(
                    f"{shortened(key)}: there is no {part!r}", where, suggestion(part, node)
                )
            node[part] = {}
        inner = node[part]
    if not isinstance(inner, dict | list):
        raise UserError(
            f"{shortened(key)}: {part!r} holds no further keys", where, "correct the key"
        )
    return inner


def _names(node: list[Any]) -> list[str]:
    # Items of a list (masks) are addressed by their `name`.
    return [str(item.get("name", item.get("type"))) for item in node if isinstance(item, dict)]


def _position(node: list[Any], part: str, key: str, where: str) -> int:
    names = _names(node)
    if len(names) != len(node) or part not in names:
        raise UserError(
            f"{shortened(key)}: no item is named {part!r}", where, suggestion(part, names)
        )
    return names.index(part)
