"""128-bit unsigned arithmetic as pairs of uint64: (high, low).

numba has no 128-bit integers. A product of two 64-bit numbers is one machine instruction
that LLVM reaches through i128; division is written out, because LLVM would call a runtime
function for it that a compiled kernel cannot count on.
"""

from typing import Any

import numpy as np

from streaming.rules.compile import inlined, kernel, numba

cgutils, types = numba.core.cgutils, numba.core.types

U64 = np.uint64
_ZERO = U64(0)
_ONE = U64(1)
_HALF = U64(32)
_LOW_HALF = U64(0xFFFF_FFFF)
_BASE = U64(1 << 32)


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _mul_wide_compiled(typingctx: Any, a: Any, b: Any) -> Any:
    """Emit the 64 x 64 -> 128 bit multiplication."""
    signature = types.UniTuple(types.uint64, 2)(types.uint64, types.uint64)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from llvmlite import ir

        wide = ir.IntType(128)
        word = ir.IntType(64)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        low = builder.trunc(product, word)
        return cgutils.pack_array(builder, [high, low])

    return signature, emit


def _mul_wide_plain(a: Any, b: Any) -> tuple[Any, Any]:
    product = int(a) * int(b)
    return U64(product >> 64), U64(product & 0xFFFF_FFFF_FFFF_FFFF)


if numba.config.DISABLE_JIT:
    mul_wide = _mul_wide_plain
else:

    @inlined
    def mul_wide(a: Any, b: Any) -> Any:
        """Multiply two uint64 into (high, low), exactly."""
        return _mul_wide_compiled(U64(a), U64(b))


@inlined
def magnitude(x: int) -> Any:
    """Give |x| of an int64 as uint64."""
    sign = np.int64(x) >> np.int64(63)
    return U64((x ^ sign) - sign)


@inlined
def add_wide(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
    """Add two 128-bit numbers modulo 2**128."""
    low = U64(a_low + b_low)
    carry = _ONE if low < a_low else _ZERO
    return U64(a_high + b_high + carry), low


@inlined
def sub_wide(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> Any:
    """Subtract b from a modulo 2**128."""
    low = U64(a_low - b_low)
    borrow = _ONE if a_low < b_low else _ZERO
    return U64(a_high - b_high - borrow), low


@inlined
def less_wide(a_high: Any, a_low: Any, b_high: Any, b_low: Any) -> bool:
    """Tell whether a < b."""
    return bool(a_high < b_high or (a_high == b_high and a_low < b_low))


@inlined
def scale_wide(high: Any, low: Any, factor: Any) -> Any:
    """Multiply a 128-bit number by a uint64: (fits, high, low)."""
    low_high, low_low = mul_wide(low, factor)
    high_high, high_low = mul_wide(high, factor)
    total = U64(high_low + low_high)
    fits = high_high == _ZERO and total >= high_low
    return fits, total, low_low


@inlined
def float_wide(high: Any, low: Any) -> float:
    """Give the nearest double, or next to it, of a 128-bit number."""
    return float(high) * 18446744073709551616.0 + float(low)


@kernel
def _divide_short(high: Any, low: Any, divisor: Any) -> Any:
    """Divide (high, low) by a uint64 > high: (quotient, remainder).

    Knuth, The Art of Computer Programming vol. 2, 4.3.1, algorithm D with two 32-bit digits.
    """
    if high == _ZERO:
        quotient = low // divisor
        return quotient, U64(low - quotient * divisor)
    shift = _ZERO
    scaled = divisor
    for step in (U64(32), U64(16), U64(8), U64(4), U64(2), U64(1)):
        if scaled >> (U64(64) - step) == _ZERO:
            scaled = U64(scaled << step)
            shift = U64(shift + step)
    top = high
    rest = low
    if shift > _ZERO:
        top = U64((high << shift) | (low >> (U64(64) - shift)))
        rest = U64(low << shift)
    digit_high = scaled >> _HALF
    digit_low = scaled & _LOW_HALF
    quotient = _ZERO
    for part in (rest >> _HALF, rest & _LOW_HALF):
        digit = top // digit_high
        left = U64(top - digit * digit_high)
        while digit >= _BASE or U64(digit * digit_low) > U64((left << _HALF) | part):
            digit = U64(digit - _ONE)
            left = U64(left + digit_high)
            if left >= _BASE:
                break
        top = U64(U64((top << _HALF) | part) - U64(digit * scaled))
        quotient = U64((quotient << _HALF) | digit)
    return quotient, U64(top >> shift)


@kernel
def divide_wide(high: Any, low: Any, divisor: Any) -> Any:
    """Divide a 128-bit number by a uint64 > 0: (high, low, remainder)."""
    quotient_high = high // divisor
    quotient_low, remainder = _divide_short(U64(high - quotient_high * divisor), low, divisor)
    return quotient_high, quotient_low, remainder
