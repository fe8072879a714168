"""The safe expression language of the configuration: arithmetic over named per-frame arrays.

    pulse_energy > 0.5 * median(pulse_energy) and 0 < delay < 3
    hypot(x, y) / where(i0 > 0, i0, 1)

An expression is read by Python's own parser and then held against a list of what is allowed;
nothing is ever handed to `eval`.  There are

    numbers, pi     finite; all arithmetic is float64
    names           one value per frame, or one value for all
    + - * / // % ** a constant exponent is at most 64
    < <= > >= == != also in chains: 0 < x < 3
    and or not & | ~ on conditions only, frame by frame
    functions       of `FUNCTIONS` (frame by frame) and `REDUCTIONS` (over all frames)

and no attributes, subscripts, text, keywords, comprehensions, lambdas or assignments.  What is
undefined (1/0, log(-1)) is inf or nan without a warning: the caller decides what to do with it.
Reductions follow numpy: a nan in any frame gives nan, unless they are told to take known values only.
"""

from __future__ import annotations

import ast
import math
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scatterflow.errors import suggestion

MAX_LENGTH = 500
MAX_DEPTH = 50
MAX_EXPONENT = 64

CONSTANTS = {"pi": math.pi}


def _where(condition: Any, yes: Any, no: Any) -> Any:
    if condition.dtype != bool:
        raise TypeError("where(condition, yes, no) needs a condition, such as x > 0, first")
    if yes.dtype != no.dtype:
        yes, no = _number(yes), _number(no)
    return np.where(condition, yes, no)


def _reduction(function: Callable[..., Any], of_nothing: float = math.nan) -> Callable[[Any], Any]:
    def reduce(values: Any) -> Any:
        return function(values) if values.size else np.float64(of_nothing)

    return reduce


# name: (number of arguments, function); the arguments are float64 save for `where`
FUNCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "abs": (1, np.abs),
    "sqrt": (1, np.sqrt),
    "exp": (1, np.exp),
    "log": (1, np.log),
    "log10": (1, np.log10),
    "sin": (1, np.sin),
    "cos": (1, np.cos),
    "tan": (1, np.tan),
    "arctan2": (2, np.arctan2),
    "hypot": (2, np.hypot),
    "minimum": (2, np.minimum),
    "maximum": (2, np.maximum),
    "where": (3, _where),
    "clip": (3, np.clip),
    "isfinite": (1, np.isfinite),
    "floor": (1, np.floor),
    "ceil": (1, np.ceil),
    "round": (1, np.round),
}
REDUCTIONS: dict[str, tuple[int, Callable[..., Any]]] = {
    "mean": (1, _reduction(np.mean)),
    "median": (1, _reduction(np.median)),
    "min": (1, _reduction(np.min)),
    "max": (1, _reduction(np.max)),
    "sum": (1, _reduction(np.sum, of_nothing=0.0)),
    "std": (1, _reduction(np.std)),
    "first": (1, _reduction(lambda values: np.ravel(values)[0])),
    "last": (1, _reduction(lambda values: np.ravel(values)[-1])),
}
_CALLABLE = FUNCTIONS | REDUCTIONS
_INSTEAD = {"min": "minimum(a, b)", "max": "maximum(a, b)"}

_ARITHMETIC: dict[type[ast.operator], Callable[..., Any]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARISON: dict[type[ast.cmpop], Callable[..., Any]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_LOGIC: dict[type[ast.operator | ast.boolop], tuple[str, Callable[..., Any]]] = {
    ast.BitAnd: ("&", np.logical_and),
    ast.BitOr: ("|", np.logical_or),
    ast.And: ("and", np.logical_and),
    ast.Or: ("or", np.logical_or),
}
_NOT_ALLOWED: dict[type[ast.AST], str] = {
    ast.Attribute: "an attribute (a name with a dot)",
    ast.IfExp: "'if ... else' (use where(condition, yes, no))",
    ast.GeneratorExp: "a comprehension",
    ast.Tuple: "a list of values",
    ast.Starred: "'*' before an argument",
    ast.Await: "'await'",
    ast.BitXor: "'^' (a power is **)",
    ast.LShift: "'<<'",
    ast.RShift: "'>>'",
    ast.In: "'in'",
    ast.NotIn: "'not in'",
    ast.Is: "'is'",
    ast.IsNot: "'is not'",
}
_CHARACTERS = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ .,()+-*/%<>=!&|~^"
)


class ExpressionError(ValueError):
    """An expression that cannot be read or evaluated; says what is wrong and at which column."""

    def __init__(self, message: str, column: int | None = None) -> None:
        super().__init__(message if column is None else f"column {column}: {message}")


@dataclass(frozen=True)
class Expression:
    """A checked expression. text: as written; names: the per-frame names that it uses."""

    text: str
    names: frozenset[str]
    _tree: ast.expr = field(repr=False, compare=False)

    @property
    def reduces(self) -> bool:
        """Whether the value of a frame depends on the other frames."""
        nodes = ast.walk(self._tree)
        return any(isinstance(node, ast.Name) and node.id in REDUCTIONS for node in nodes)

    def check_names(self, known: Iterable[str]) -> None:
        """Raise ExpressionError if the expression uses a name that is not known."""
        known = set(known)
        for node in ast.walk(self._tree):
            if isinstance(node, ast.Name) and node.id in self.names - known:
                hint = suggestion(node.id, known)
                raise _refused(f"unknown name {node.id!r}; {hint}", node)

    def evaluate(self, values: Mapping[str, np.ndarray | float], known: bool = False) -> np.ndarray:
        """The value for every frame.

        values: for each name a 1-D array (frames,) of numbers or bools, or one number for all
        frames; integers become float64 (exact up to 2**53). Names that are not used are not read.
        known: reductions pass over frames without a value (nan).
        Returns a new array, float64 or bool: (frames,), or 0-d if no array is used.
        """
        self.check_names(values.keys())
        arrays = {name: _per_frame(name, values[name]) for name in sorted(self.names)}
        lengths = {name: len(array) for name, array in arrays.items() if array.ndim}
        if len(set(lengths.values())) > 1:
            told = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ExpressionError(f"the numbers of frames differ: {told}")
        with np.errstate(all="ignore"):
            result = _evaluate(self._tree, arrays, known)
        shape = (next(iter(lengths.values())),) if lengths else ()
        return np.broadcast_to(result, shape).copy()


def compile_expression(text: str) -> Expression:
    """Read and check an expression; raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"longer than {MAX_LENGTH} characters")
    line = "".join(" " if character in "\t\r\n" else character for character in text).strip()
    if not line:
        raise ExpressionError("empty")
    _check_characters(line)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as '1or x', which is harmless here
            tree = ast.parse(line, mode="eval").body
    except SyntaxError as error:
        raise ExpressionError(f"cannot be read: {error.msg}", error.offset) from None
    except (ValueError, RecursionError, MemoryError):
        raise ExpressionError("cannot be read: too long a number or too deeply nested") from None
    names: set[str] = set()
    _check(tree, 1, names)
    return Expression(text, frozenset(names), tree)


# --- checks -------------------------------------------------------------------------------------


def _check_characters(line: str) -> None:
    """Stop text, subscripts, comments and deep brackets before Python's parser sees them."""
    depth = 0
    for column, character in enumerate(line, start=1):
        if character not in _CHARACTERS:
            raise ExpressionError(f"the character {character!r} is not allowed", column)
        depth += (character == "(") - (character == ")")
        if depth > MAX_DEPTH:
            raise ExpressionError(f"nested more than {MAX_DEPTH} deep", column)


def _check(node: ast.expr, depth: int, names: set[str]) -> None:
    """Walk the tree, refuse what is not listed, collect the names."""
    if depth > MAX_DEPTH:
        raise _refused(f"nested more than {MAX_DEPTH} deep", node)
    match node:
        case ast.Constant():
            _check_number(node)
        case ast.Name(id=name):
            if name in _CALLABLE:
                raise _refused(f"{name!r} is a function: write {name}(...)", node)
            if name not in CONSTANTS:
                names.add(name)
        case ast.UnaryOp():
            pass  # all four (+ - not ~) are allowed
        case ast.BinOp(op=operator):
            if type(operator) not in _ARITHMETIC | _LOGIC:
                raise _not_allowed(operator, node)
        case ast.Compare(ops=comparisons):
            for comparison in comparisons:
                if type(comparison) not in _COMPARISON:
                    raise _not_allowed(comparison, node)
        case ast.BoolOp():
            pass
        case ast.Call():
            _check_call(node)
        case _:
            raise _not_allowed(node, node)
    operands = node.args if isinstance(node, ast.Call) else ast.iter_child_nodes(node)
    for operand in operands:
        if isinstance(operand, ast.expr):
            _check(operand, depth + 1, names)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        _check_exponent(node.right)


def _check_number(node: ast.Constant) -> None:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float):
        raise _refused(f"{node.value!r} is not allowed, only real numbers are", node)
    try:
        finite = math.isfinite(float(node.value))
    except OverflowError:
        finite = False
    if not finite:
        raise _refused("the number is too large", node)


def _check_call(node: ast.Call) -> None:
    if not isinstance(node.func, ast.Name):
        if type(node.func) in _NOT_ALLOWED:
            raise _not_allowed(node.func, node.func)
        raise _refused("only the functions of the list can be called", node)
    name = node.func.id
    if name not in _CALLABLE:
        raise _refused(f"{name!r} is no function here; {suggestion(name, _CALLABLE)}", node)
    if node.keywords:
        raise _refused(f"{name}(...) takes no arguments by keyword", node)
    count = _CALLABLE[name][0]
    if len(node.args) != count:
        hint = f"; the elementwise one is {_INSTEAD[name]}" if name in _INSTEAD else ""
        plural = "argument" if count == 1 else "arguments"
        raise _refused(f"{name}(...) takes {count} {plural}, not {len(node.args)}{hint}", node)


def _check_exponent(exponent: ast.expr) -> None:
    for node in ast.walk(exponent):
        if isinstance(node, ast.Name) and node.id not in CONSTANTS and node.id not in _CALLABLE:
            return
    with np.errstate(all="ignore"):
        size = abs(float(_number(_evaluate(exponent, {}, False))))
    if not size <= MAX_EXPONENT:
        raise _refused(f"a constant exponent is at most {MAX_EXPONENT}", exponent)


def _refused(message: str, node: ast.expr) -> ExpressionError:
    return ExpressionError(message, node.col_offset + 1)


def _not_allowed(what: ast.AST, node: ast.expr) -> ExpressionError:
    return _refused(f"{_NOT_ALLOWED.get(type(what), type(what).__name__)} is not allowed", node)


# --- evaluation ---------------------------------------------------------------------------------


def _per_frame(name: str, value: Any) -> np.ndarray:
    array = np.asarray(value)
    if array.ndim > 1:
        raise ExpressionError(f"{name!r} has {array.ndim} dimensions, not one value per frame")
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iuf":
        raise ExpressionError(f"{name!r} holds {array.dtype}, not numbers")
    return array.astype(np.float64)


def _number(value: Any) -> Any:
    return np.asarray(value).astype(np.float64)


def _condition(value: Any, sign: str, node: ast.expr) -> Any:
    if np.asarray(value).dtype != bool:
        raise _refused(
            f"{sign!r} joins conditions, and this is a number; "
            "compare it (x != 0), and put comparisons beside & | ~ in parentheses",
            node,
        )
    return value


def _evaluate(node: ast.expr, arrays: Mapping[str, np.ndarray], known: bool) -> Any:
    """The value of a checked node: a float64 or bool array, 0-d or (frames,)."""
    match node:
        case ast.Constant(value=value):
            return np.asarray(float(value))  # type: ignore[arg-type]
        case ast.Name(id=name):
            return np.asarray(CONSTANTS[name]) if name in CONSTANTS else arrays[name]
        case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=operand):
            sign = "not" if isinstance(node.op, ast.Not) else "~"
            return np.logical_not(_condition(_evaluate(operand, arrays, known), sign, operand))
        case ast.UnaryOp(op=operator, operand=operand):
            value = _number(_evaluate(operand, arrays, known))
            return -value if isinstance(operator, ast.USub) else value
        case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _ARITHMETIC:
            a, b = _number(_evaluate(left, arrays, known)), _number(_evaluate(right, arrays, known))
            return _ARITHMETIC[type(operator)](a, b)
        case ast.BinOp(left=left, op=operator, right=right):
            return _join(operator, [left, right], arrays, known)
        case ast.BoolOp(op=operator, values=operands):
            return _join(operator, operands, arrays, known)
        case ast.Compare(left=left, ops=comparisons, comparators=others):
            terms = [_number(_evaluate(term, arrays, known)) for term in [left, *others]]
            result = np.asarray(True)
            for comparison, a, b in zip(comparisons, terms[:-1], terms[1:], strict=True):
                result = np.logical_and(result, _COMPARISON[type(comparison)](a, b))
            return result
        case ast.Call(func=ast.Name(id=name), args=arguments):
            values = [_evaluate(argument, arrays, known) for argument in arguments]
            if known and name in REDUCTIONS:
                (values,) = map(_number, values)
                values = [values[~np.isnan(values)] if values.ndim else values]
            if name != "where":
                return np.asarray(_CALLABLE[name][1](*map(_number, values)))
            try:
                return _where(*(np.asarray(value) for value in values))
            except TypeError as error:
                raise _refused(str(error), node) from None
    raise AssertionError(f"unchecked node {type(node).__name__}")


def _join(
    operator: ast.operator | ast.boolop, operands: list[ast.expr], arrays: Any, known: bool
) -> Any:
    sign, function = _LOGIC[type(operator)]
    result, *others = [_condition(_evaluate(node, arrays, known), sign, node) for node in operands]
    for other in others:
        result = function(result, other)
    return result
