"""Correlation of sixteen pixels at once, one lane a pixel, written as vectors for the compiler.

A row is one sample of sixteen pixels, int32 or float64. The products of a sample with the samples up to a few
rows before it are summed in registers over many rows; numba's own loops would load and store every sum for
every sample. LLVM turns the vectors into whatever the processor has.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scatterflow.kernels.lanes import CACHE_LINE, array_data, splat
from scatterflow.kernels.sizes import LANES

# Delays that are summed together: with sixteen lanes of float64 they fill the registers of AVX2.
TOGETHER = 4
_INDEX = ir.IntType(64)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_FUSED = ("contract",)


def _vector(context: Any, kind: Any) -> Any:
    return ir.VectorType(context.get_data_type(kind.dtype), LANES)


def _row(builder: Any, data: Any, row: Any, vector: Any) -> Any:
    """Pointer to a row of LANES numbers."""
    place = builder.gep(data, [builder.mul(row, _INDEX(LANES))])
    return builder.bitcast(place, vector.as_pointer())


def _multiply_add(builder: Any, total: Any, a: Any, b: Any) -> Any:
    if isinstance(total.type.element, ir.IntType):
        return builder.add(total, builder.mul(a, b))
    return builder.fadd(total, builder.fmul(a, b, flags=_FUSED), flags=_FUSED)


def _add(builder: Any, total: Any, a: Any) -> Any:
    if isinstance(total.type.element, ir.IntType):
        return builder.add(total, a)
    return builder.fadd(total, a)


def _build_sums(context: Any, builder: Any, signature: Any, arguments: Any, widen: bool) -> Any:
    """The loop over rows first..first + count - 1 with the sums in registers."""
    rows, first, count, sums, place, lags = arguments
    kinds = signature.args
    vector = _vector(context, kinds[0])
    data = array_data(context, builder, kinds[0], rows)
    is_integer = isinstance(vector.element, ir.IntType)
    kept = _DOUBLES if widen or not is_integer else vector

    def load(row: Any) -> Any:
        value = builder.load(_row(builder, data, row, vector), align=CACHE_LINE)
        return builder.sitofp(value, _DOUBLES) if widen and is_integer else value

    delays = cgutils.unpack_tuple(builder, lags, kinds[5].count)
    before = builder.block
    loop = builder.append_basic_block("samples")
    after = builder.append_basic_block("done")
    builder.branch(loop)

    builder.position_at_end(loop)
    k = builder.phi(_INDEX)
    k.add_incoming(_INDEX(0), before)
    totals = [builder.phi(kept) for _ in range(max(len(delays), 1))]
    row = builder.add(first, k)
    newest = load(row)
    added = [
        _multiply_add(builder, total, newest, load(builder.sub(row, delay)))
        for total, delay in zip(totals, delays, strict=False)
    ] or [_add(builder, totals[0], newest)]
    for total, new in zip(totals, added, strict=True):
        total.add_incoming(ir.Constant(kept, None), before)
        total.add_incoming(new, loop)
    following = builder.add(k, _INDEX(1))
    k.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)

    builder.position_at_end(after)
    sum_data = array_data(context, builder, kinds[3], sums)
    for i, new in enumerate(added):
        new = new if kept is _DOUBLES else builder.sitofp(new, _DOUBLES)
        target = _row(builder, sum_data, builder.add(place, _INDEX(i)), _DOUBLES)
        total = builder.fadd(builder.load(target, align=CACHE_LINE), new)
        builder.store(total, target, align=CACHE_LINE)
    return context.get_dummy_value()


@intrinsic
def add_products(typing, rows, first, count, sums, place, lags):
    """sums[place + i] += sum over r = first .. first + count - 1 of rows[r] rows[r - lags[i]].

    rows: (any, LANES) int32 or float64, aligned; products of int32 are summed in int32: the caller sees to it
    that they fit. sums: (any, LANES) float64, aligned. first, count (> 0), place: int64; lags: a tuple of
    int64; an empty one: the rows themselves are summed.
    """
    signature = types.void(rows, first, count, sums, place, lags)

    def generate(context, builder, signature, arguments):
        return _build_sums(context, builder, signature, arguments, widen=False)

    return signature, generate


@intrinsic
def add_wide_products(typing, rows, first, count, sums, place, lags):
    """As `add_products`, in float64: exact below 2^53."""
    signature = types.void(rows, first, count, sums, place, lags)

    def generate(context, builder, signature, arguments):
        return _build_sums(context, builder, signature, arguments, widen=True)

    return signature, generate


@contextmanager
def _counted(builder: Any, count: Any) -> Iterator[Any]:
    """The body of a loop over 0 .. count - 1, count > 0; gives the number."""
    before = builder.block
    loop = builder.append_basic_block("rows")
    after = builder.append_basic_block("done")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(_INDEX)
    k.add_incoming(_INDEX(0), before)
    yield k
    following = builder.add(k, _INDEX(1))
    k.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)


@intrinsic
def load_rows(typing, values, frame, count, column, scale, rows, at):
    """rows[at + i, lane] = values[frame + i, column + lane], i < count; float64 rows times scale[frame + i].

    values: (frames, columns) C-contiguous, unsigned integers or (with float64 rows) float32; count > 0;
    scale: (frames,) float64.
    """
    signature = types.void(values, frame, count, column, scale, rows, at)

    def generate(context, builder, signature, arguments):
        values, frame, count, column, scale, rows, at = arguments
        kinds = signature.args
        vector = _vector(context, kinds[5])
        data = array_data(context, builder, kinds[5], rows)
        factors = array_data(context, builder, kinds[4], scale)
        with _counted(builder, count) as k:
            own = builder.add(frame, k)
            value = _load_values(context, builder, kinds[0], values, own, column)
            value = _converted(builder, value, vector)
            if not isinstance(vector.element, ir.IntType):
                factor = builder.load(builder.gep(factors, [own]))
                value = builder.fmul(value, splat(builder, factor))
            place = _row(builder, data, builder.add(at, k), vector)
            builder.store(value, place, align=CACHE_LINE)
        return context.get_dummy_value()

    return signature, generate


def _converted(builder: Any, value: Any, vector: Any) -> Any:
    """Unsigned integers or floats as a vector of int32 or float64."""
    if value.type == vector:
        return value
    if isinstance(vector.element, ir.IntType):
        return builder.zext(value, vector)
    if isinstance(value.type.element, ir.IntType):
        return builder.uitofp(value, vector)
    return builder.fpext(value, vector)


def _load_values(
    context: Any, builder: Any, kind: Any, values: Any, frame: Any, column: Any
) -> Any:
    structure = cgutils.create_struct_proxy(kind)(context, builder, value=values)
    columns = cgutils.unpack_tuple(builder, structure.shape, 2)[1]
    place = builder.gep(structure.data, [builder.add(builder.mul(columns, frame), column)])
    pointer = builder.bitcast(place, _vector(context, kind).as_pointer())
    return builder.load(pointer, align=kind.dtype.bitwidth // 8)


@intrinsic
def largest_value(typing, values, first, last, column):
    """Largest of values[first:last, column : column + LANES], first < last; 0 where they are floats."""
    signature = types.int64(values, first, last, column)

    def generate(context, builder, signature, arguments):
        values, first, last, column = arguments
        kind = signature.args[0]
        if not isinstance(kind.dtype, types.Integer):
            return _INDEX(0)
        vector = _vector(context, kind)
        before = builder.block
        loop = builder.append_basic_block("frames")
        after = builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        frame, most = builder.phi(_INDEX), builder.phi(vector)
        value = _load_values(context, builder, kind, values, frame, column)
        larger = builder.select(builder.icmp_unsigned(">", value, most), value, most)
        following = builder.add(frame, _INDEX(1))
        for phi, start, step in (
            (frame, first, following),
            (most, ir.Constant(vector, None), larger),
        ):
            phi.add_incoming(start, before)
            phi.add_incoming(step, loop)
        builder.cbranch(builder.icmp_signed("<", following, last), loop, after)
        builder.position_at_end(after)
        found = builder.extract_element(larger, _INDEX(0))
        for lane in range(1, LANES):
            value = builder.extract_element(larger, _INDEX(lane))
            found = builder.select(builder.icmp_unsigned(">", value, found), value, found)
        return found if found.type.width == 64 else builder.zext(found, _INDEX)

    return signature, generate


@intrinsic
def add_pairs_of_rows(typing, rows, first, count, at):
    """rows[at + i] = rows[first + 2 i] + rows[first + 2 i + 1], i < count (> 0); aligned."""
    signature = types.void(rows, first, count, at)

    def generate(context, builder, signature, arguments):
        rows, first, count, at = arguments
        vector = _vector(context, signature.args[0])
        data = array_data(context, builder, signature.args[0], rows)
        with _counted(builder, count) as k:
            place = _row(builder, data, builder.add(first, builder.shl(k, _INDEX(1))), vector)
            one = builder.load(place, align=CACHE_LINE)
            other = builder.load(builder.gep(place, [ir.IntType(32)(1)]), align=CACHE_LINE)
            target = _row(builder, data, builder.add(at, k), vector)
            builder.store(_add(builder, one, other), target, align=CACHE_LINE)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def clear_row(typing, rows, at):
    """rows[at] = 0; aligned."""
    signature = types.void(rows, at)

    def generate(context, builder, signature, arguments):
        vector = _vector(context, signature.args[0])
        data = array_data(context, builder, signature.args[0], arguments[0])
        place = _row(builder, data, arguments[1], vector)
        builder.store(ir.Constant(vector, None), place, align=CACHE_LINE)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def copy_rows(typing, source, first, target, at, count):
    """target[at : at + count] = source[first : first + count], of one type, not overlapping."""
    signature = types.void(source, first, target, at, count)

    def generate(context, builder, signature, arguments):
        source, first, target, at, count = arguments
        vector = _vector(context, signature.args[0])
        places = [
            _row(builder, array_data(context, builder, kind, array), row, vector)
            for kind, array, row in (
                (signature.args[2], target, at),
                (signature.args[0], source, first),
            )
        ]
        size = context.get_abi_sizeof(vector)
        cgutils.raw_memcpy(builder, *places, count, size, align=CACHE_LINE)
        return context.get_dummy_value()

    return signature, generate
