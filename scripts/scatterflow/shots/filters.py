"""Which shots count: filters declared over the scalars of a run's shots.

A filter is a dict with a `type`:

    range       variable, minimum, maximum, strict (default no: both limits pass)
    equal       variable, value, tolerance (default 0)
    laser       state: on | off, variable (default laser); on where the variable is above 0
    shutter     variable; open where it is above 0
    still       variable: the motor does not move, speed and window as in `moving`
    moving      variable: the motor moves
    expression  expression of `config.expressions`; a reduction (median, ...) is over all shots given
    all, any    filters: a list of filters, of which all or any must pass
    not         filter: one that must not pass

A scalar that is NaN settles nothing: its filter neither passes nor fails. Groups follow Kleene (false and
unknown is false, true or unknown is true, not unknown is unknown), and what stays unknown in the end is
removed, and counted apart. Filters are judged each by itself on all shots, so that their order means
nothing; they have to see the whole run at once, for medians and for motors. Variables with / in their name
are written with _ in expressions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scatterflow.errors import UserError, suggestion
from scatterflow.names import identifier

SIGNIFICANT = 5.0
"""A motor moves if it goes farther than so many standard deviations of its readback."""


@dataclass(frozen=True)
class FilterResult:
    """What the filters of a run let pass; counts are of shots.

    passed: (n,) bool. removed: by each filter, whether or not others remove them too; alone: those that no
    other one removes; undefined: those of `removed` that it could not judge, a scalar being NaN.
    """

    passed: np.ndarray
    removed: dict[str, int]
    alone: dict[str, int]
    undefined: dict[str, int]

    def require_some(self, where: str) -> None:
        """Raise UserError if no shot passes."""
        if self.passed.any():
            return
        told = ", ".join(
            f"{name} removes {number}"
            + (f" ({self.undefined[name]} for NaN)" if self.undefined[name] else "")
            for name, number in self.removed.items()
        )
        raise UserError(
            f"no shot of {len(self.passed)} passes the filters: {told or 'there are no shots'}",
            where,
            "loosen the filters, or leave this run out",
        )


@dataclass(frozen=True)
class _Judged:
    """yes, no: (n,) bool; neither: unknown."""

    yes: np.ndarray
    no: np.ndarray


def apply_filters(
    filters: Mapping[str, Mapping[str, Any]],
    scalars: Mapping[str, np.ndarray],
    shots: int,
    where: str = "filters",
) -> FilterResult:
    """Judge all shots of a run by all filters.

    filters: by name, dicts as above, of which all must pass; scalars: (shots,) numbers or bools by name;
    where: place for messages. Raises UserError: a variable or type that is not known, values that do not
    fit, an expression that cannot be evaluated or is no condition.
    """
    keep = {
        name: _judge(settings, scalars, shots, f"{where}.{name}")
        for name, settings in filters.items()
    }
    failures = np.zeros(shots, dtype=np.int64)
    for judged in keep.values():
        failures += ~judged.yes
    return FilterResult(
        failures == 0,
        {name: int((~judged.yes).sum()) for name, judged in keep.items()},
        {name: int((~judged.yes & (failures == 1)).sum()) for name, judged in keep.items()},
        {name: int((~judged.yes & ~judged.no).sum()) for name, judged in keep.items()},
    )


def variables_of(settings: Mapping[str, Any]) -> set[str]:
    """Names of the scalars that a filter uses, those of expressions as written there.

    Raises UserError for an expression that cannot be read.
    """
    kind = settings.get("type")
    if kind == "expression":
        return set(_compiled(settings, "filters").names)
    if kind in ("all", "any"):
        return set().union(*(variables_of(inner) for inner in settings["filters"]))
    if kind == "not":
        return variables_of(settings["filter"])
    return {_variable(settings)}


def _judge(
    settings: Mapping[str, Any], scalars: Mapping[str, np.ndarray], shots: int, where: str
) -> _Judged:
    kind = settings.get("type")
    if kind not in _KINDS:
        raise UserError(f"no filter of type {kind!r}", where, suggestion(str(kind), _KINDS))
    return _KINDS[kind](settings, scalars, shots, where)


def _variable(settings: Mapping[str, Any]) -> str:
    return str(settings.get("variable", "laser" if settings.get("type") == "laser" else ""))


def _values(
    settings: Mapping[str, Any], scalars: Mapping[str, np.ndarray], shots: int, where: str
) -> np.ndarray:
    """The filter's scalar, (shots,) float64."""
    name = _variable(settings)
    if name not in scalars:
        raise UserError(f"no scalar {name!r} in this run", where, suggestion(name, scalars))
    return _per_shot(name, scalars[name], shots, where).astype(np.float64)


def _per_shot(name: str, values: Any, shots: int, where: str) -> np.ndarray:
    """The values of a scalar, numbers or bools, after a check."""
    array = np.asarray(values)
    if array.dtype.kind not in "buif" or array.shape != (shots,):
        raise UserError(
            f"{name!r} holds {array.dtype} of shape {array.shape}, not a number for each of {shots} shots",
            where,
            "choose a scalar of the shots",
        )
    return array


def _needed(settings: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in settings:
        raise UserError(
            f"a filter of type {settings.get('type')!r} without `{key}`", where, "add it"
        )
    return settings[key]


def _known(condition: np.ndarray, *used: np.ndarray) -> _Judged:
    """A condition where all values are there."""
    known = np.ones(condition.shape, dtype=bool)
    for values in used:
        known &= ~np.isnan(values)
    return _Judged(condition & known, ~condition & known)


def _range(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    values = _values(settings, scalars, shots, where)
    low = _limit(settings.get("minimum"), -math.inf, where)
    high = _limit(settings.get("maximum"), math.inf, where)
    if low > high:
        raise UserError(
            f"nothing lies between {low:g} and {high:g}", where, "give minimum <= maximum"
        )
    if settings.get("strict", False):
        return _known((values > low) & (values < high), values)
    return _known((values >= low) & (values <= high), values)


def _limit(value: Any, otherwise: float, where: str) -> float:
    found = otherwise if value is None else float(value)
    if math.isnan(found):
        raise UserError("a limit is NaN", where, "give a number, or leave the limit out")
    return found


def _equal(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    values = _values(settings, scalars, shots, where)
    distance = np.abs(values - float(_needed(settings, "value", where)))
    return _known(distance <= float(settings.get("tolerance", 0.0)), values)


def _laser(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    values = _values(settings, scalars, shots, where)
    # -1 is the mark of LCLS for an event without codes: nobody knows.
    values = np.where(values < 0, np.nan, values)
    state = settings.get("state")
    # YAML reads on and off as true and false.
    if state in ("on", True):
        return _known(values > 0, values)
    if state in ("off", False):
        return _known(values == 0, values)
    raise UserError(f"a laser that is {state!r}", where, "give state: on or off")


def _shutter(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    values = _values(settings, scalars, shots, where)
    return _known(values > 0, values)


def _moving(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    values = _values(settings, scalars, shots, where)
    speed = settings.get("speed")
    window = int(settings.get("window", 1))
    if window < 1 or (speed is not None and not float(speed) >= 0):
        raise UserError(
            f"a motor is judged over {window} shots by a speed of {speed}",
            where,
            "give a window of 1 shot or more, and a speed of 0 or more (or none)",
        )
    return _known(moving(values, None if speed is None else float(speed), window), values)


def _still(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    return _not(_moving(settings, scalars, shots, where))


def moving(position: np.ndarray, speed: float | None = None, window: int = 1) -> np.ndarray:
    """Which shots see a motor move, (n,) bool.

    position: (n,), NaN where not known (then False), in the order of the shots. A shot's speed is the way
    from `window` known shots before it to `window` after it, per shot; at the ends of the run from or to
    itself. It moves if that is above `speed`; without one, if the way is longer than SIGNIFICANT standard
    deviations of the readback, which its second differences tell: these know neither standstill nor
    uniform motion.
    """
    found = np.zeros(len(position), dtype=bool)
    known = np.flatnonzero(~np.isnan(position))
    values = np.asarray(position, dtype=np.float64)[known]
    if len(values) < 2:
        return found
    place = np.arange(len(values))
    first, last = np.maximum(place - window, 0), np.minimum(place + window, len(values) - 1)
    way = np.abs(values[last] - values[first])
    if speed is None:
        found[known] = way > SIGNIFICANT * math.sqrt(2) * readback_noise(values)
    else:
        found[known] = way > speed * (last - first)
    return found


def readback_noise(position: np.ndarray) -> float:
    """Standard deviation of a motor's readback from shot to shot; robust, whether it moves or not."""
    if len(position) < 3:
        return 0.0
    second = np.diff(position, 2)
    # sqrt(6): the standard deviation of a - 2b + c; 1.4826: of the median of absolute values.
    return float(1.4826 * np.median(np.abs(second)) / math.sqrt(6))


def _expression(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    from scatterflow.config.expressions import ExpressionError

    expression = _compiled(settings, where)
    refuse_ambiguous(expression.names, scalars, where)
    named = {identifier(name): name for name in scalars} | {name: name for name in scalars}
    try:
        expression.check_names(named)
        used = {
            name: _per_shot(named[name], scalars[named[name]], shots, where)
            for name in sorted(expression.names)
        }
        found = expression.evaluate(used, known=True)
    except ExpressionError as error:
        raise UserError(str(error), where, "correct the expression") from error
    if found.dtype != bool:
        raise UserError(
            f"{expression.text!r} is a number, not a condition", where, "compare it, as in x > 0"
        )
    numbers = [values for values in used.values() if values.dtype.kind == "f"]
    return _known(np.broadcast_to(found, (shots,)), *numbers)


def refuse_ambiguous(used: Iterable[str], names: Iterable[str], where: str) -> None:
    """Raise UserError for a name in use that stands for two values, as a_b_c for a/b_c and a_b/c."""
    meant: dict[str, list[str]] = {}
    for name in names:
        meant.setdefault(identifier(name), []).append(name)
    for name in sorted(used):
        if len(both := meant.get(identifier(name), [])) > 1:
            raise UserError(
                f"{name!r} stands for {both[0]!r} and for {both[1]!r}",
                where,
                "give one of them another name: `columns` of `defaults`, or the name of the function",
            )


def _compiled(settings: Mapping[str, Any], where: str) -> Any:
    from scatterflow.config.expressions import ExpressionError, compile_expression

    try:
        return compile_expression(str(_needed(settings, "expression", where)))
    except ExpressionError as error:
        raise UserError(str(error), where, "correct the expression") from error


def _all(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    judged = _members(settings, scalars, shots, where)
    return _Judged(
        np.logical_and.reduce([one.yes for one in judged]),
        np.logical_or.reduce([one.no for one in judged]),
    )


def _any(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    judged = _members(settings, scalars, shots, where)
    return _Judged(
        np.logical_or.reduce([one.yes for one in judged]),
        np.logical_and.reduce([one.no for one in judged]),
    )


def _members(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> list[_Judged]:
    members: Sequence[Mapping[str, Any]] = settings.get("filters") or ()
    if not members:
        raise UserError("a group without filters", where, "list one filter or more")
    return [_judge(m, scalars, shots, f"{where}.filters[{i}]") for i, m in enumerate(members)]


def _negated(settings: Mapping[str, Any], scalars: Any, shots: int, where: str) -> _Judged:
    inner = _needed(settings, "filter", where)
    return _not(_judge(inner, scalars, shots, f"{where}.filter"))


def _not(judged: _Judged) -> _Judged:
    return _Judged(judged.no, judged.yes)


_KINDS: dict[Any, Callable[..., _Judged]] = {
    "range": _range,
    "equal": _equal,
    "laser": _laser,
    "shutter": _shutter,
    "still": _still,
    "moving": _moving,
    "expression": _expression,
    "all": _all,
    "any": _any,
    "not": _negated,
}
