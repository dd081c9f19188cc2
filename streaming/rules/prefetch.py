"""Ask the processor for a row of an array before it is needed.

A batch of fills knows which keys come next, but a lot is found through its key's book, and
where many lots are open the wait for it takes longer than matching it.
"""

from typing import Any

from streaming.rules.compile import inlined, numba

cgutils, types = numba.core.cgutils, numba.core.types

READ, KEEP, DATA = 0, 3, 1
"""Arguments of LLVM's `llvm.prefetch`: for reading, into all caches, of data."""


@numba.extending.intrinsic  # type: ignore[untyped-decorator]
def _prefetch_compiled(typingctx: Any, rows: Any, row: Any) -> Any:
    """Emit the prefetch; an address past the end does no harm, it is never read."""
    signature = types.void(rows, types.intp)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        from llvmlite import ir

        octets, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        array = context.make_array(sig.args[0])(context, builder, args[0])
        stride = builder.extract_value(array.strides, 0)
        start = builder.bitcast(array.data, octets)
        address = builder.gep(start, [builder.mul(args[1], stride)])
        kind = ir.FunctionType(ir.VoidType(), [octets, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        # A row may lie across two cache lines.
        last = ir.IntType(64)(context.get_abi_sizeof(context.get_data_type(rows.dtype)) - 1)
        for place in (address, builder.gep(address, [last])):
            builder.call(function, [place, word(READ), word(KEEP), word(DATA)])
        return context.get_dummy_value()

    return signature, emit


def _prefetch_plain(rows: Any, row: int) -> None:
    pass


if numba.config.DISABLE_JIT:
    prefetch = _prefetch_plain
else:

    @inlined
    def prefetch(rows: Any, row: int) -> None:
        """Ask for row `row` of a one-dimensional array; changes nothing but speed."""
        _prefetch_compiled(rows, row)
