"""Call indicator kernels by their address: one compiled loop then takes any of them.

A compiled loop that named each kernel would be a second list of them beside the registry's,
and one that took them as arguments would be compiled anew in every process: numba's cache
does not know a function again that comes in as an argument (seen with 0.68.1). An address is
a number like any other. The code behind it is the very code that `series` runs.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from streaming.rules.bars import Bars, Float, Int
from streaming.rules.compile import inlined, numba
from streaming.rules.indicators.rows import Out
from streaming.rules.indicators.series import Plan

types = numba.core.types

_PRICES = types.Array(types.int64, 1, "C", readonly=True)
_DOUBLES = types.Array(types.float64, 1, "C")
_BARS = types.NamedTuple(
    (_PRICES,) * 5 + (types.Array(types.float64, 1, "C", readonly=True),), Bars
)
MOST_OUTPUTS = 3
"""Outputs of a kernel that `panel` knows how to hand over."""


class Calls(NamedTuple):
    """The kernels of a plan, as numbers.

    Attributes
    ----------
    address : int64[calls]
        Of each kernel's machine code; good in this process alone.
    params : float64[calls, most]
        Its parameters; what stands behind them means nothing.
    given : int64[calls]
        How many parameters it has.
    memory, outputs : int64[calls + 1]
        Where its part begins in a series' memory, and among the outputs of all calls.
    """

    address: Int
    params: Float
    given: Int
    memory: Int
    outputs: Int


def calls_of(plan: Plan) -> Calls:
    """Give the kernels of a plan as numbers, compiling those that are not yet.

    Raises
    ------
    ValueError
        If a kernel has more outputs than `MOST_OUTPUTS`.
    """
    if any(call.outputs > MOST_OUTPUTS for call in plan.calls):
        raise ValueError(f"a kernel of over {MOST_OUTPUTS} outputs needs its branch in `panel`")
    count = len(plan.calls)
    params = np.zeros((count, max((len(call.params) for call in plan.calls), default=0)))
    for row, call in zip(params, plan.calls, strict=True):
        row[: len(call.params)] = call.params
    outputs = np.zeros(count + 1, np.int64)
    np.cumsum([call.outputs for call in plan.calls], out=outputs[1:])
    return Calls(
        np.array([_address(call.fn, call.outputs) for call in plan.calls], np.int64),
        params,
        np.array([len(call.params) for call in plan.calls], np.int64),
        np.array([*(call.memory.start for call in plan.calls), plan.memory], np.int64),
        outputs,
    )


def _signature(outputs: int) -> tuple[Any, ...]:
    """Give the types that `series` calls a kernel with."""
    out = types.UniTuple(_DOUBLES, outputs)
    return _BARS, types.int64, types.int64, _DOUBLES, _DOUBLES, out


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _call_compiled(
    typingctx: Any,
    address: Any,
    bars: Any,
    first: Any,
    seen: Any,
    params: Any,
    state: Any,
    out: Any,
) -> Any:
    """Emit a call of the kernel at an address, in numba's own calling convention."""
    given = _signature(len(out))
    # What lies at the address expects these types and no others.
    if (bars, params, state, out) != (given[0], *given[3:]):
        raise numba.core.errors.TypingError(f"a kernel does not take {(bars, params, state, out)}")

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        convention = context.call_conv
        kind = convention.get_function_type(types.none, given)
        code = builder.inttoptr(args[0], kind.as_pointer())
        status, _ = convention.call_function(builder, code, types.none, given, args[1:])
        with numba.core.cgutils.if_unlikely(builder, status.is_error):
            convention.return_status_propagate(builder, status)
        return context.get_dummy_value()

    return types.none(types.int64, *given), emit


if numba.config.DISABLE_JIT:
    _plain: list[Callable[..., None]] = []

    @cache
    def _address(fn: Callable[..., None], outputs: int) -> int:
        _plain.append(fn)
        return len(_plain) - 1

    def call_kernel(
        address: int, bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out
    ) -> None:
        """Call the kernel that stands at a place of a list."""
        _plain[address](bars, first, seen, params, state, out)

else:

    @cache
    def _address(fn: Any, outputs: int) -> int:
        kinds = _signature(outputs)
        fn.compile(kinds)
        compiled = fn.overloads[kinds]
        name = compiled.fndesc.llvm_func_name
        found: int = compiled.library.get_pointer_to_function(name)
        if not found:
            raise RuntimeError(f"indicator kernel {fn.__name__}: no code named {name}")
        return found

    @inlined
    def call_kernel(
        address: int, bars: Bars, first: int, seen: int, params: Float, state: Float, out: Out
    ) -> None:
        """Call the kernel at an address, as described in `series`."""
        _call_compiled(address, bars, first, seen, params, state, out)
