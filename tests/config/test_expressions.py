"""The expression language: numbers against numpy and plain Python, and hostile input."""

from __future__ import annotations

import math
import pickle
import time
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scatterflow.config.expressions import (
    FUNCTIONS,
    MAX_DEPTH,
    MAX_LENGTH,
    REDUCTIONS,
    ExpressionError,
    compile_expression,
)

X = np.array([1.0, -2.0, 0.5, 4.0])
Y = np.array([0.25, 3.0, -1.0, 2.0])
GOOD = np.array([True, False, True, True])
COUNTS = np.array([3, 0, 7, 1], dtype=np.uint16)
VALUES = {"x": X, "y": Y, "good": GOOD, "counts": COUNTS, "offset": 2.5}


def value(text: str) -> np.ndarray:
    return compile_expression(text).evaluate(VALUES)


# --- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x", X),
        ("x + y * 2 - 1", X + Y * 2 - 1),
        ("x / y // 0.5 % 3", X / Y // 0.5 % 3),
        ("-x ** 2", -(X**2)),
        ("2 ** -1 * x", 0.5 * X),
        ("+x - -y", X + Y),
        ("x * offset", X * 2.5),
        ("counts - 5", [-2.0, -5.0, 2.0, -4.0]),  # not the wrapped 65534 of uint16
        ("counts / 2", [1.5, 0.0, 3.5, 0.5]),
        ("pi * x", math.pi * X),
        ("1e-3 * x + .5", 1e-3 * X + 0.5),
        ("abs(x)", np.abs(X)),
        ("sqrt(abs(x))", np.sqrt(np.abs(X))),
        ("exp(x) + log(abs(y)) + log10(abs(y))", np.exp(X) + np.log(abs(Y)) + np.log10(abs(Y))),
        ("sin(x) + cos(x) * tan(y)", np.sin(X) + np.cos(X) * np.tan(Y)),
        ("arctan2(y, x)", np.arctan2(Y, X)),
        ("hypot(x, y)", np.hypot(X, Y)),
        ("minimum(x, y) + maximum(x, 0)", np.minimum(X, Y) + np.maximum(X, 0)),
        ("where(x > 0, x, y)", np.where(X > 0, X, Y)),
        ("where(good, 1, 0)", [1.0, 0.0, 1.0, 1.0]),
        ("clip(x, -1, 2)", np.clip(X, -1, 2)),
        ("floor(y) + ceil(y) + round(y)", np.floor(Y) + np.ceil(Y) + np.round(Y)),
        ("x - mean(x)", X - X.mean()),
        ("x / median(x) + std(y)", X / np.median(X) + Y.std()),
        ("(x - min(x)) / (max(x) - min(x))", (X + 2) / 6),
        ("x / sum(x)", X / X.sum()),
        ("x - first(x) + last(y)", X - 1 + 2),
        ("sum(x > 0)", [3.0] * 4),
        ("mean(good) * x", 0.75 * X),
        ("good + 1", [2.0, 1.0, 2.0, 2.0]),
        ("  x\n + 1\n", X + 1),
    ],
)
def test_arithmetic_is_that_of_numpy(text: str, expected: np.ndarray) -> None:
    result = value(text)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x > 0", X > 0),
        ("0 < x < 3", (X > 0) & (X < 3)),
        ("0 < x <= 4 != y", (X > 0) & (X <= 4) & (Y != 4)),
        ("x >= 1 and y > 0 and good", (X >= 1) & (Y > 0) & GOOD),
        ("x >= 1 or not good", (X >= 1) | ~GOOD),
        ("(x > 1) & ~good | (y == 2)", (X > 1) & ~GOOD | (Y == 2)),
        ("isfinite(x / 0)", [False] * 4),
        ("counts == 7", COUNTS == 7),
        ("good == 1", GOOD),
        ("where(x > 0, good, y > 0)", np.where(X > 0, GOOD, Y > 0)),
        ("x > 0.5 * max(x)", X > 2),
    ],
)
def test_conditions_are_bool(text: str, expected: np.ndarray) -> None:
    result = value(text)
    assert result.dtype == bool
    np.testing.assert_array_equal(result, expected)


def test_names_are_the_variables() -> None:
    expression = compile_expression("hypot(x, y) * pi > mean(i0) and i0 > 0")
    assert expression.names == {"x", "y", "i0"}


def test_only_the_names_in_use_are_read() -> None:
    class Lazy(dict):  # type: ignore[type-arg]
        def __missing__(self, name: str) -> np.ndarray:
            raise AssertionError(f"{name} was read")

        def keys(self):  # type: ignore[no-untyped-def]
            return {"x", "huge"}

    assert compile_expression("x + 1").evaluate(Lazy(x=X)).shape == X.shape


def test_shapes() -> None:
    assert value("1 + 1").shape == ()
    assert value("offset * 2").shape == ()
    assert value("mean(x)").shape == X.shape
    assert value("last(offset)") == 2.5


def test_the_result_is_a_copy() -> None:
    x = X.copy()
    compile_expression("x").evaluate({"x": x})[:] = 0
    np.testing.assert_array_equal(x, X)


def test_undefined_values_come_without_warnings() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(value("x / 0"), [np.inf, -np.inf, np.inf, np.inf])
        assert np.isnan(value("0 * x / 0")).all()
        assert np.isnan(value("log(-1 - abs(x))")).all()
        assert np.isnan(value("x % 0")).all()
        assert np.isinf(value("exp(1000 * abs(x))")).any()
        assert np.isinf(value("(abs(x) * 1e300) ** 64")).all()


def test_no_frames() -> None:
    none = {"x": np.array([])}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in REDUCTIONS:
            assert compile_expression(f"x > {name}(x)").evaluate(none).shape == (0,)


def test_nan_follows_numpy() -> None:
    values = {"x": np.array([1.0, np.nan])}
    assert np.isnan(compile_expression("mean(x)").evaluate(values)).all()
    np.testing.assert_array_equal(compile_expression("x > 0").evaluate(values), [True, False])


def test_expressions_survive_pickling() -> None:
    expression = pickle.loads(pickle.dumps(compile_expression("x > 1")))
    np.testing.assert_array_equal(expression.evaluate(VALUES), X > 1)


# Text and its value in plain Python floats, built side by side.
_LEAVES = st.one_of(
    st.floats(-100, 100, allow_nan=False).map(lambda v: (repr(v), v)),
    st.integers(-1000, 1000).map(lambda v: (f"({v})", float(v))),
    st.sampled_from([("x", 1.7), ("y", -0.3)]),
)


def _combine(children: st.SearchStrategy) -> st.SearchStrategy:
    def binary(parts: tuple) -> tuple[str, float]:
        (a, va), operator, (b, vb) = parts
        if operator == "/" and vb == 0:
            operator = "+"
        number = {"+": va + vb, "-": va - vb, "*": va * vb, "/": va / vb if vb else 0.0}[operator]
        return f"({a} {operator} {b})", number

    return st.one_of(
        st.tuples(children, st.sampled_from("+-*/"), children).map(binary),
        children.map(lambda part: (f"-{part[0]}", -part[1])),
        children.map(lambda part: (f"abs({part[0]})", abs(part[1]))),
    )


@given(st.recursive(_LEAVES, _combine, max_leaves=12))
def test_generated_arithmetic_is_that_of_python(pair: tuple[str, float]) -> None:
    text, expected = pair
    if len(text) > MAX_LENGTH:
        return
    result = compile_expression(text).evaluate({"x": np.full(3, 1.7), "y": -0.3})
    np.testing.assert_array_equal(result, np.full(result.shape, expected))


@given(st.text(max_size=60) | st.text("xy0123456789.+-*/%<>=!&|~^() ,", max_size=60))
def test_any_text_gives_a_value_or_an_expression_error(text: str) -> None:
    try:
        expression = compile_expression(text)
        result = expression.evaluate({name: X for name in expression.names})
    except ExpressionError:
        return
    assert result.dtype in (np.float64, bool)


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("np.f2py.os", "column 1: an attribute"),
        ("x + np.savetxt(x)", "column 5: an attribute"),
        ("1..real", "attribute"),
        ("(x).__class__", "attribute"),
        ("().__class__", "attribute"),
        ("__import__('os')", 'column 12: the character "\'"'),
        ("__import__(os)", "'__import__' is no function here"),
        ("x['a']", "column 2: the character '\\['"),
        ("x[0]", "character '\\['"),
        ("{x}", "character '{'"),
        ("'text'", "character"),
        ('f"{x}"', "character '\"'"),
        ("lambda: x", "character ':'"),
        ("(y := x)", "character ':'"),
        ("[y for y in x]", "character '\\['"),
        ("sum(y for y in x)", "a comprehension is not allowed"),
        ("x if y else x", "where\\(condition, yes, no\\)"),
        ("hypot(*x)", "takes 2 arguments"),
        ("abs(*x)", "'\\*' before an argument"),
        ("abs(x=x)", "by keyword"),
        ("abs(**x)", "by keyword"),
        ("abs", "write abs\\(...\\)"),
        ("(abs)(x)(x)", "only the functions of the list"),
        ("3(x)", "only the functions of the list"),
        ("x ^ y", "a power is \\*\\*"),
        ("x << 70", "'<<' is not allowed"),
        ("x in y", "'in' is not allowed"),
        ("x is y", "'is' is not allowed"),
        ("x, y", "a list of values"),
        ("(yield x)", "Yield is not allowed"),
        ("True", "only real numbers"),
        ("None", "only real numbers"),
        ("...", "only real numbers"),
        ("3j * x", "only real numbers"),
        ("1e999", "too large"),
        ("9" * 400, "too large"),
        ("x = 3", "column \\d+: cannot be read"),
        ("x; y", "character ';'"),
        ("x # y", "character '#'"),
        ("x \\", "character"),
        ("x +", "cannot be read"),
        ("import os", "cannot be read"),
        ("", "empty"),
        (" \n ", "empty"),
        ("x\0", "character"),
        ("\N{FULLWIDTH LATIN SMALL LETTER X} + 1", "column 1: the character"),
        ("x \N{MINUS SIGN} 1", "column 3: the character"),
        ("meen(x)", "'meen' is no function here; did you mean 'mean'"),
        ("x + atan2(x, y)", "column 5: .*did you mean 'arctan2'"),
        ("eval(x)", "no function here"),
        ("max(x, y)", "takes 1 argument, not 2; the elementwise one is maximum\\(a, b\\)"),
        ("hypot(x)", "takes 2 arguments, not 1"),
    ],
)
def test_refused(text: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        compile_expression(text)


@pytest.mark.parametrize(
    "text",
    ["9**9**9**9", "x**65", "x**-65", "x**(8*9)", "2**(9**9)", "x**sum(65)", "x**(0/0)", "x**1e3"],
)
def test_constant_exponents_are_bounded(text: str) -> None:
    with pytest.raises(ExpressionError, match="exponent"):
        compile_expression(text)


def test_powers_overflow_to_infinity() -> None:
    result = compile_expression("(9**64)**x * 9**64").evaluate({"x": np.array([1e6])})
    assert result == np.inf


@pytest.mark.parametrize(
    "text",
    [
        "(" * 10_000 + "x" + ")" * 10_000,
        "(" * 240 + "x" + ")" * 240,
        "(" * 400,
        "abs(" * 100,
        "-" * 499 + "x",
        "not " * 120 + "x",
        "~" * 400 + "x",
        "x" + "**x" * 160,
        "x" + "+x" * 240,
        "x" + " if x else x" * 40,
        "(x," * 100,
        "x" * 501,
    ],
)
def test_deep_or_long_input_ends_quickly_in_an_expression_error(text: str) -> None:
    start = time.thread_time()
    with pytest.raises(ExpressionError):
        compile_expression(text)
    assert time.thread_time() - start < 1


def test_depth_up_to_the_limit_works() -> None:
    deep = MAX_DEPTH - 1
    np.testing.assert_array_equal(value("(" * deep + "x" + ")" * deep), X)
    np.testing.assert_array_equal(value("-" * (MAX_DEPTH - 2) + "x"), X)


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("1 + X", {"x": X}, "column 5: unknown name 'X'"),
        ("pulse_energi", {"pulse_energy": X}, "did you mean 'pulse_energy'"),
        ("x and y", {"x": X, "y": Y}, "'and' joins conditions"),
        ("x > 1 & y < 2", {"x": X, "y": Y}, "'&' joins conditions.*parentheses"),
        ("not x", {"x": X}, "column 5: 'not' joins conditions"),
        ("where(x, 1, 0)", {"x": X}, "needs a condition"),
        ("x + y", {"x": X, "y": Y[:3]}, "frames differ: x 4, y 3"),
        ("x", {"x": X.reshape(2, 2)}, "2 dimensions"),
        ("x", {"x": np.array(["a", "b"])}, "not numbers"),
        ("x", {"x": np.array([1j])}, "not numbers"),
        ("x", {"x": np.array([None], dtype=object)}, "not numbers"),
    ],
)
def test_refused_values(text: str, values: dict, message: str) -> None:
    with pytest.raises(ExpressionError, match=message):
        compile_expression(text).evaluate(values)


def test_every_function_is_tested_and_is_elementwise_or_a_reduction() -> None:
    assert not FUNCTIONS.keys() & REDUCTIONS.keys()
    for name, (count, _) in (FUNCTIONS | REDUCTIONS).items():
        first = "x > 0" if name == "where" else "x"
        text = f"{name}({', '.join([first, 'y', 'x'][:count])})"
        assert value(text).shape == X.shape
