"""Arithmetic of the indicator kernels that leaves nothing to rounding, or rounds once.

Window sums are integers, so that they can slide along a series without drifting and give
the same value wherever a batch began.
"""

import math
from typing import Any

import numpy as np

from streaming.rules.compile import inlined, kernel, numba
from streaming.rules.wide import U64, divide_wide

types = numba.core.types

EXACT = 1 << 53
"""Up to here every integer is a double."""

_WORD = 18446744073709551616.0
_ZERO = U64(0)
_ONE = U64(1)
_BITS = U64(64)
_TOP = U64(1 << 63)


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _fma_compiled(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """Emit the fused multiply-add, an exact operation on every processor."""

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float64(types.float64, types.float64, types.float64), emit


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _add_product_compiled(typingctx: Any, high: Any, low: Any, a: Any, b: Any) -> Any:
    """Emit 128-bit + 64 x 64 bit, all signed."""
    signature = types.Tuple((types.int64, types.uint64))(
        types.int64, types.uint64, types.int64, types.int64
    )

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from llvmlite import ir

        wide = ir.IntType(128)
        word = ir.IntType(64)
        shift = ir.Constant(wide, 64)
        old = builder.or_(
            builder.shl(builder.sext(args[0], wide), shift), builder.zext(args[1], wide)
        )
        product = builder.mul(builder.sext(args[2], wide), builder.sext(args[3], wide))
        new = builder.add(old, product)
        words = [builder.trunc(builder.lshr(new, shift), word), builder.trunc(new, word)]
        return context.make_tuple(builder, sig.return_type, words)

    return signature, emit


def _fma_plain(a: float, b: float, c: float) -> float:
    from fractions import Fraction

    if not math.isfinite(a) or not math.isfinite(b) or not math.isfinite(c):
        return a * b + c
    return float(Fraction(a) * Fraction(b) + Fraction(c))


def _add_product_plain(high: Any, low: Any, a: Any, b: Any) -> tuple[Any, Any]:
    total = (int(high) << 64) + int(low) + int(a) * int(b)
    return np.int64(total >> 64), U64(total & 0xFFFF_FFFF_FFFF_FFFF)


def _divide_plain(number: float, divisor: float, inverse: float) -> float:
    return number / divisor


if numba.config.DISABLE_JIT:
    fma = _fma_plain
    add_product = _add_product_plain
    divide = _divide_plain
else:

    @inlined
    def fma(a: float, b: float, c: float) -> float:
        """Give a x b + c, rounded once.

        In a recursion e = b x e + c this is also the shortest chain from bar to bar, and
        that chain is what the speed of a recursive indicator depends on.
        """
        return float(_fma_compiled(a, b, c))

    @inlined
    def add_product(high: Any, low: Any, a: Any, b: Any) -> Any:
        """Give the signed 128-bit (high, low) + a x b; high, a, b int64, low uint64."""
        return _add_product_compiled(high, low, a, b)

    @inlined
    def divide(number: float, divisor: float, inverse: float) -> float:
        """Give number / divisor, rounded once, without the cost of a division.

        `inverse` is 1 / divisor as a double. Two corrections by the exact remainder give
        the nearest double (Markstein 1990; Muller et al., Handbook of Floating-Point
        Arithmetic, on division), unless numbers come near to overflow or underflow.
        """
        rough = number * inverse
        close = fma(fma(-rough, divisor, number), inverse, rough)
        return float(fma(fma(-close, divisor, number), inverse, close))


@inlined
def wide_float(high: Any, low: Any) -> float:
    """Give the double of a 128-bit number that is not negative."""
    return float(high) * _WORD + float(low)


@kernel
def wide_quotient(high: Any, low: Any, divisor: int) -> float:
    """Give the double nearest to a signed 128-bit number over an int64 in (0, 2**53)."""
    negative = high < 0
    if negative:
        high, low = add_product(np.int64(~high), U64(~low), 1, 1)
    size = U64(high)
    rest = U64(low)
    if size == _ZERO and rest == _ZERO:
        return 0.0
    # Shifted to the left end, the number gives a quotient of more than 64 bits.
    shift = 0
    if size == _ZERO:
        size = rest
        rest = _ZERO
        shift = 64
    while size & _TOP == _ZERO:
        size = U64((size << _ONE) | (rest >> U64(63)))
        rest = U64(rest << _ONE)
        shift += 1
    head, tail, remainder = divide_wide(size, rest, U64(divisor))
    while head & _TOP == _ZERO:
        head = U64((head << _ONE) | (tail >> U64(63)))
        tail = U64(tail << _ONE)
        shift += 1
    # What is below the 64 bits kept decides nothing but ties, so one bit stands for it.
    if tail != _ZERO or remainder != _ZERO:
        head = U64(head | _ONE)
    value = math.ldexp(float(head), 64 - shift)
    return -value if negative else value


@inlined
def quotient(number: int, divisor: int) -> float:
    """Give the double nearest to an int64 over an int64 in (0, 2**53)."""
    if -EXACT <= number <= EXACT:
        return float(number) / float(divisor)
    high, low = add_product(np.int64(0), _ZERO, number, 1)
    return wide_quotient(high, low, divisor)
