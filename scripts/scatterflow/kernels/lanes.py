"""Arithmetic on sixteen frames at once, one lane a frame, written as vectors for the compiler.

Left to themselves, numba's loops over sixteen frames load and store every accumulator for every matrix
entry; held in vector registers, the same sums take a fifth of the time. LLVM turns these vectors into
whatever the processor has (512, 256 or 128 bits), so results are the same everywhere up to the
rounding of fused multiply-add, where the processor has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from scatterflow.kernels.sizes import LANES, TILE

CACHE_LINE = 64
COPIED = 32
_INDEX = ir.IntType(64)
_DOUBLE = ir.DoubleType()
_VECTOR = ir.VectorType(_DOUBLE, LANES)
_FUSED = ("contract",)


def aligned_zeros(shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
    """Zeros that begin at a cache line: a vector of lanes never straddles two."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.zeros(size + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + size].view(dtype).reshape(shape)


def array_data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    """Pointer to the numbers of an array, in generated code."""
    return cgutils.create_struct_proxy(kind)(context, builder, value=array).data


def splat(builder: Any, value: Any) -> Any:
    """A vector with one value in all lanes, in generated code."""
    empty = ir.Constant(ir.VectorType(value.type, LANES), ir.Undefined)
    first = builder.insert_element(empty, value, ir.IntType(32)(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, empty, zeros)


def _lanes(builder: Any, data: Any, row: Any) -> Any:
    """Pointer to a row of LANES float64."""
    return builder.bitcast(
        builder.gep(data, [builder.mul(row, _INDEX(LANES))]), _VECTOR.as_pointer()
    )


def _build_sums(
    context: Any, builder: Any, signature: Any, arguments: Any, *, weighted: bool
) -> Any:
    """The loop over entries first..last-1 with both sums in registers."""
    sums, row, values, factors, pixels, coefficients, first, last, floor = arguments
    kinds = signature.args
    data = array_data(context, builder, kinds[0], sums)
    signal_at = _lanes(builder, data, builder.mul(row, _INDEX(2)))
    variance_at = builder.gep(signal_at, [ir.IntType(32)(1)])
    value_data = array_data(context, builder, kinds[2], values)
    factor_data = array_data(context, builder, kinds[3], factors)
    pixel_data = array_data(context, builder, kinds[4], pixels)
    coefficient_data = array_data(context, builder, kinds[5], coefficients)
    least = splat(builder, floor)
    before = builder.block
    loop = builder.append_basic_block("entries")
    after = builder.append_basic_block("done")
    first_signal = builder.load(signal_at, align=CACHE_LINE)
    first_variance = builder.load(variance_at, align=CACHE_LINE)
    builder.cbranch(builder.icmp_signed("<", first, last), loop, after)

    builder.position_at_end(loop)
    k = builder.phi(_INDEX)
    signal = builder.phi(_VECTOR)
    variance = builder.phi(_VECTOR)
    pixel = builder.zext(builder.load(builder.gep(pixel_data, [k])), _INDEX)
    share = builder.fpext(builder.load(builder.gep(coefficient_data, [k])), _DOUBLE)
    value = builder.load(_lanes(builder, value_data, pixel), align=CACHE_LINE)
    noise = builder.select(builder.fcmp_ordered(">", value, least), value, least)
    if weighted:
        factor = builder.load(_lanes(builder, factor_data, pixel), align=CACHE_LINE)
        value = builder.fmul(value, factor)
        square = builder.fmul(factor, factor)
        noise = builder.fmul(noise, builder.fmul(square, square))
    product = builder.fmul(splat(builder, share), value, flags=_FUSED)
    new_signal = builder.fadd(product, signal, flags=_FUSED)
    product = builder.fmul(splat(builder, builder.fmul(share, share)), noise, flags=_FUSED)
    new_variance = builder.fadd(product, variance, flags=_FUSED)
    following = builder.add(k, _INDEX(1))
    for phi, start, step in (
        (k, first, following),
        (signal, first_signal, new_signal),
        (variance, first_variance, new_variance),
    ):
        phi.add_incoming(start, before)
        phi.add_incoming(step, loop)
    builder.cbranch(builder.icmp_signed("<", following, last), loop, after)

    builder.position_at_end(after)
    for place, start, step in (
        (signal_at, first_signal, new_signal),
        (variance_at, first_variance, new_variance),
    ):
        total = builder.phi(_VECTOR)
        total.add_incoming(start, before)
        total.add_incoming(step, loop)
        if place is signal_at:
            signal_total = total
    builder.store(signal_total, signal_at, align=CACHE_LINE)
    builder.store(total, variance_at, align=CACHE_LINE)
    return context.get_dummy_value()


@intrinsic
def add_entries(typing, sums, row, values, factors, pixels, coefficients, first, last, floor):
    """sums[row, 0] += c x and sums[row, 1] += c^2 max(x, floor) over entries first..last-1.

    sums: (rows, 2, LANES), values: (pixels, LANES), both float64 and aligned; factors: not looked at;
    pixels: uint16, coefficients: float32, one an entry; row, first, last: int64; floor: float64.
    """
    signature = types.void(sums, row, values, factors, pixels, coefficients, first, last, floor)

    def generate(context, builder, signature, arguments):
        return _build_sums(context, builder, signature, arguments, weighted=False)

    return signature, generate


@intrinsic
def add_weighted_entries(
    typing, sums, row, values, factors, pixels, coefficients, first, last, floor
):
    """As `add_entries`, with values f x and variances f^4 max(x, floor); factors f: (pixels, LANES).

    Where all factors are 1 the sums are those of `add_entries`, bit by bit.
    """
    signature = types.void(sums, row, values, factors, pixels, coefficients, first, last, floor)

    def generate(context, builder, signature, arguments):
        return _build_sums(context, builder, signature, arguments, weighted=True)

    return signature, generate


@intrinsic
def load_lanes(typing, rows, column, low, high, values, at, total):
    """Sixteen pixels of sixteen frames: values[at + i, lane] = rows[lane, column + i], as float64.

    rows: (>= LANES, columns) C-contiguous. Values that are not within low..high (NaN is not) become 0.
    at: pixel of the detector, a multiple of 16; its values go to row at % TILE. total: int64, to which the
    sums over the frames are added from its element `at` on; of any other type, it is left alone.
    Returns (bool) whether a value was not within.
    """
    signature = types.boolean(rows, column, low, high, values, at, total)

    def generate(context, builder, signature, arguments):
        rows, column, low, high, values, at, total = arguments
        kinds = signature.args
        element = kinds[0].dtype
        is_integer = isinstance(element, types.Integer)
        kind = context.get_data_type(element)
        vector = ir.VectorType(kind, LANES)
        structure = cgutils.create_struct_proxy(kinds[0])(context, builder, value=rows)
        columns = cgutils.unpack_tuple(builder, structure.shape, 2)[1]
        lowest, highest = splat(builder, low), splat(builder, high)
        nothing = ir.Constant(vector, None)
        wide = _INDEX if element.bitwidth > 16 else ir.IntType(32)
        sums = isinstance(kinds[6].dtype, types.Integer) and is_integer
        added = ir.Constant(ir.VectorType(wide, LANES), None)
        all_within = None
        loaded = []
        for lane in range(LANES):
            index = builder.add(builder.mul(columns, _INDEX(lane)), column)
            place = builder.bitcast(builder.gep(structure.data, [index]), vector.as_pointer())
            value = builder.load(place, align=element.bitwidth // 8)
            if not is_integer:
                within = builder.and_(
                    builder.fcmp_ordered(">=", value, lowest),
                    builder.fcmp_ordered("<=", value, highest),
                )
            else:
                compare = builder.icmp_signed if element.signed else builder.icmp_unsigned
                within = builder.and_(compare(">=", value, lowest), compare("<=", value, highest))
            value = builder.select(within, value, nothing)
            all_within = within if all_within is None else builder.and_(all_within, within)
            if sums:
                extend = builder.sext if element.signed else builder.zext
                wider = value
                if element.bitwidth < wide.width:
                    wider = extend(value, added.type)
                added = builder.add(added, wider)
            loaded.append(value)
        if sums:
            if wide.width < 64:
                extend = builder.sext if element.signed else builder.zext
                added = extend(added, ir.VectorType(_INDEX, LANES))
            place = builder.gep(array_data(context, builder, kinds[6], total), [at])
            place = builder.bitcast(place, ir.VectorType(_INDEX, LANES).as_pointer())
            builder.store(builder.add(builder.load(place, align=8), added), place, align=8)
        out = array_data(context, builder, kinds[4], values)
        for pixel, column_of_lanes in enumerate(_transposed(builder, loaded)):
            if is_integer:
                convert = builder.sitofp if element.signed else builder.uitofp
                column_of_lanes = convert(column_of_lanes, _VECTOR)
            elif element.bitwidth < 64:
                column_of_lanes = builder.fpext(column_of_lanes, _VECTOR)
            row = builder.and_(builder.add(at, _INDEX(pixel)), _INDEX(TILE - 1))
            builder.store(column_of_lanes, _lanes(builder, out, row), align=CACHE_LINE)
        bits = builder.bitcast(all_within, ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.IntType(LANES)(-1))

    return signature, generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """Sixteen vectors, rows and columns exchanged: blocks are swapped, halved, swapped ..."""
    step = LANES // 2
    while step:
        for i in range(LANES):
            if i & step:
                continue
            upper, lower = rows[i], rows[i | step]
            left = [LANES + (j ^ step) if j & step else j for j in range(LANES)]
            right = [LANES + j if j & step else j | step for j in range(LANES)]
            for place, order in ((i, left), (i | step, right)):
                picked = ir.Constant(ir.VectorType(ir.IntType(32), LANES), order)
                rows[place] = builder.shuffle_vector(upper, lower, picked)
        step //= 2
    return rows


@intrinsic
def pointer_to(typing, address, kind):
    """Pointer to numbers of type `kind` (as np.int32) at a memory address (int64)."""
    pointer = types.CPointer(kind.instance_type)

    def generate(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, kind), generate


@intrinsic
def copy_bytes(typing, target, at, source, begin):
    """Copy COPIED bytes of source[begin:] to target[at:], as one: uint8 arrays, nothing is checked."""
    signature = types.void(target, at, source, begin)

    def generate(context, builder, signature, arguments):
        target, at, source, begin = arguments
        vector = ir.VectorType(ir.IntType(8), COPIED).as_pointer()
        places = [
            builder.bitcast(builder.gep(array_data(context, builder, kind, array), [index]), vector)
            for kind, array, index in (
                (signature.args[2], source, begin),
                (signature.args[0], target, at),
            )
        ]
        builder.store(builder.load(places[0], align=1), places[1], align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def gather_bits(typing, shuffled, begin, stride, planes, count, out, at):
    """Sixteen elements of a bit-shuffled block: out[at : at + 16], an integer array.

    Bit p of element i is bit i % 8 of the byte shuffled[begin + p * stride + i // 8]; planes[:count]: the
    bits p (uint8) that are looked at, the others are 0.
    """
    signature = types.void(shuffled, begin, stride, planes, count, out, at)

    def generate(context, builder, signature, arguments):
        shuffled, begin, stride, planes, count, out, at = arguments
        kinds = signature.args
        kind = context.get_data_type(kinds[5].dtype)
        vector = ir.VectorType(kind, LANES)
        bytes_at = builder.gep(array_data(context, builder, kinds[0], shuffled), [begin])
        planes_at = array_data(context, builder, kinds[3], planes)
        nothing = ir.Constant(vector, None)
        before = builder.block
        loop = builder.append_basic_block("planes")
        after = builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed(">", count, _INDEX(0)), loop, after)
        builder.position_at_end(loop)
        k, element = builder.phi(_INDEX), builder.phi(vector)
        plane = builder.load(builder.gep(planes_at, [k]))
        place = builder.gep(bytes_at, [builder.mul(builder.zext(plane, _INDEX), stride)])
        word = ir.IntType(LANES)
        bits = builder.load(builder.bitcast(place, word.as_pointer()), align=1)
        mask = builder.bitcast(bits, ir.VectorType(ir.IntType(1), LANES))
        number = plane
        if kind.width > 8:
            number = builder.zext(plane, kind)
        bit = splat(builder, builder.shl(kind(1), number))
        updated = builder.or_(element, builder.select(mask, bit, nothing))
        following = builder.add(k, _INDEX(1))
        for phi, start, step in ((k, _INDEX(0), following), (element, nothing, updated)):
            phi.add_incoming(start, before)
            phi.add_incoming(step, loop)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
        builder.position_at_end(after)
        result = builder.phi(vector)
        result.add_incoming(nothing, before)
        result.add_incoming(updated, loop)
        place = builder.gep(array_data(context, builder, kinds[5], out), [at])
        builder.store(result, builder.bitcast(place, vector.as_pointer()), align=1)
        return context.get_dummy_value()

    return signature, generate


@intrinsic
def load_word(typing, source, at):
    """The eight bytes at source[at:] (uint8) as uint64, little-endian on all machines that are in use."""

    def generate(context, builder, signature, arguments):
        data = array_data(context, builder, signature.args[0], arguments[0])
        place = builder.bitcast(builder.gep(data, [arguments[1]]), _INDEX.as_pointer())
        return builder.load(place, align=1)

    return types.uint64(source, at), generate


@intrinsic
def store_word(typing, target, at, word):
    """Write a uint64 as eight bytes to target[at:] (uint8)."""

    def generate(context, builder, signature, arguments):
        data = array_data(context, builder, signature.args[0], arguments[0])
        place = builder.bitcast(builder.gep(data, [arguments[1]]), _INDEX.as_pointer())
        builder.store(arguments[2], place, align=1)
        return context.get_dummy_value()

    return types.void(target, at, types.uint64), generate
