"""Programs against numpy: random expressions, NaN, infinities, and lengths around a chunk."""

from random import Random

import numpy as np
import pytest

from streaming.rules import expressions as ex
from streaming.rules.expressions import Condition, Number, column, maximum, minimum
from streaming.rules.program_loop import run_program
from streaming.rules.programs import program

NAN, INF = float("nan"), float("inf")
NAMES = [f"c{n}" for n in range(11)]  # more than one eight of columns
ALWAYS = ex.condition(True)
ONE = ex.number(1.0)


def ran(buy, sell, columns, *, confidence=1.0, size=1.0, known=(), sell_size=1.0):
    made = program(
        ex.condition(buy),
        ex.condition(sell),
        ex.number(confidence),
        ex.number(size),
        known,
        sell_size,
    )
    arrays = {name: np.asarray(values, float) for name, values in columns.items()}
    rows = len(next(iter(arrays.values())))
    return run_program(made, arrays.__getitem__, rows)


def random_number(rng, depth):
    kind = rng.randint(0, 8) if depth else rng.randint(0, 1)
    if kind == 0:
        return ex.number(rng.choice([0.0, -0.0, 1.0, -2.5, 0.1, INF, NAN]))
    if kind == 1:
        return column(rng.choice(NAMES))
    left, right = random_number(rng, depth - 1), random_number(rng, depth - 1)
    return [
        lambda: left + right,
        lambda: left - right,
        lambda: left * right,
        lambda: left / right,
        lambda: minimum(left, right),
        lambda: maximum(left, right),
        lambda: rng.choice([-left, abs(left)]),
    ][kind - 2]()


def random_condition(rng, depth):
    kind = rng.randint(0, 4) if depth else rng.randint(0, 1)
    if kind < 2:
        left, right = random_number(rng, depth), random_number(rng, depth)
        return rng.choice(
            [
                lambda: left < right,
                lambda: left <= right,
                lambda: left > right,
                lambda: left >= right,
            ]
        )()
    left, right = random_condition(rng, depth - 1), random_condition(rng, depth - 1)
    return [lambda: left & right, lambda: left | right, lambda: rng.choice([left ^ right, ~left])][
        kind - 2
    ]()


NUMPY = {
    ex.ADD: np.add,
    ex.SUBTRACT: np.subtract,
    ex.MULTIPLY: np.multiply,
    ex.DIVIDE: np.divide,
    # Of two equal ones the first: numpy's own do not say which zero they give.
    ex.MINIMUM: lambda a, b: np.where((a <= b) | np.isnan(a), a, b),
    ex.MAXIMUM: lambda a, b: np.where((a >= b) | np.isnan(a), a, b),
    ex.ABSOLUTE: np.abs,
    ex.LESS: np.less,
    ex.EQUAL: np.equal,
    ex.NOT_EQUAL: np.not_equal,
    ex.LESS_EQUAL: np.less_equal,
    ex.AND: np.logical_and,
    ex.OR: np.logical_or,
    ex.XOR: np.logical_xor,
    ex.NOT: np.logical_not,
}


def by_numpy(one, columns, rows):
    if one.op == ex.LOAD:
        return columns[one.leaf]
    if one.op == ex.CONSTANT:
        kind = float if isinstance(one, Number) else bool
        return np.full(rows, kind(one.value))
    return NUMPY[one.op](*(by_numpy(part, columns, rows) for part in one.inputs))


def random_columns(rng, rows):
    random = np.random.default_rng(rng.randint(0, 10**9))
    odd = np.array([0.0, -0.0, 1.0, -1.0, NAN, INF, -INF, 0.5])
    return {
        name: np.where(
            random.random(rows) < 0.3, random.choice(odd, rows), random.normal(size=rows)
        )
        for name in NAMES
    }


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 511, 512, 513, 1500])
def test_random_expressions_equal_numpy(rows):
    rng = Random(rows)
    acted = 0
    for _ in range(60):
        columns = random_columns(rng, rows)
        buy, sell = random_condition(rng, 3), random_condition(rng, 3)
        sure, size = random_number(rng, 2), random_number(rng, 2)
        known = rng.sample(NAMES, 2)
        made = program(buy, sell, sure, size, known, 0.25)
        got = run_program(made, columns.__getitem__, rows)

        with np.errstate(all="ignore"):
            buys, sells = by_numpy(buy, columns, rows), by_numpy(sell, columns, rows)
            sures = np.where(buys, by_numpy(sure, columns, rows), 1.0)
            sizes = np.where(buys, by_numpy(size, columns, rows), 0.25)
            hints = np.rint(np.clip(sizes, 0.0, 1.0) * 1e8)
        wanted = (buys != sells) & ~np.isnan(sures) & (hints > 0)
        for name in known:
            wanted &= ~np.isnan(columns[name])
        np.testing.assert_array_equal(got[0], np.flatnonzero(wanted))
        np.testing.assert_array_equal(got[1], np.where(buys, 1, -1)[wanted])
        np.testing.assert_array_equal(got[2], np.clip(sures, 0.0, 1.0)[wanted])
        np.testing.assert_array_equal(got[3], hints[wanted])
        acted += len(got[0])
    assert acted > 5 * rows or not rows


def test_results_have_their_types():
    rows, action, confidence, hint = ran(column("a") > 0, False, {"a": [1.0]})
    assert [one.dtype for one in (rows, action, confidence, hint)] == [
        np.int64,
        np.int8,
        np.float64,
        np.int64,
    ]


def test_columns_may_be_views_that_nobody_may_write_to():
    strided = np.arange(10.0)[::2]
    held = np.arange(6.0)[1:]
    held.flags.writeable = False
    made = program(column("a") < column("b"), ex.condition(False), ONE, ONE, (), 1.0)
    rows, *_ = run_program(made, {"a": held, "b": strided}.__getitem__, 5)
    assert rows.tolist() == [2, 3, 4]


def test_an_expression_without_columns_holds_at_every_row():
    made = program(ALWAYS, ex.condition(False), ONE, ONE, (), 1.0)
    assert run_program(made, {}.__getitem__, 3)[0].tolist() == [0, 1, 2]


def test_equal_parts_are_computed_once():
    price, line = column("price"), column("line")
    made = program(
        (price - line > 1.0) & (price - line < 3.0), price - line > 2.0, ONE, ONE, (), 1.0
    )
    assert len(made.deciding) == 5  # the difference, three comparisons, and the and
    assert made.leaves == ("price", "line")


def test_parts_that_are_shared_over_and_over_are_compiled_once():
    shared = column("a")
    for _ in range(60):
        shared = shared + shared
    made = program(shared > 1, ex.condition(False), ONE, ONE, (), 1.0)
    assert len(made.deciding) == 61
    assert run_program(made, {"a": np.array([1.0, -1.0])}.__getitem__, 2)[0].tolist() == [0]


def test_a_chain_may_be_longer_than_pythons_stack():
    chain = column("a")
    for _ in range(5000):
        chain = chain * 0.5 + 1.0
    made = program(chain > 1.99, ex.condition(False), ONE, ONE, (), 1.0)
    assert run_program(made, {"a": np.array([7.0])}.__getitem__, 1)[0].tolist() == [0]
    assert made.registers < 8


def test_the_two_zeros_are_two_constants():
    down = column("a") / -0.0 < 0.0
    up = column("a") / 0.0 > 0.0
    assert ran(down & up, False, {"a": [1.0]})[0].tolist() == [0]


def test_conditions_are_compared_with_each_other_by_xor():
    price = column("price")
    with pytest.raises(TypeError, match="where conditions differ"):
        _ = (price > 1) == (price > 2)
    with pytest.raises(TypeError, match="where conditions differ"):
        _ = (price > 1) != (price > 2)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda price: bool(price > 1),
        lambda price: price > 1 and price < 2,
        lambda price: not (price > 1),
        lambda price: 1 < price < 2,
    ],
)
def test_what_python_would_decide_once_for_all_rows_is_refused(wrong):
    with pytest.raises(TypeError, match="that for each row"):
        wrong(column("price"))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda price: price + np.ones(3), "A number or a column is wanted, not array"),
        (lambda price: np.ones(3) * price, "A number or a column is wanted, not array"),
        (lambda price: price + (price > 1), "not a condition"),
        (lambda price: price < "1", "not '1'"),
        (lambda price: (price > 1) & price, "not a number"),
        (lambda price: (price > 1) | 1, "not 1"),
        (lambda price: ex.number(True), "not True"),
    ],
)
def test_what_is_no_expression_of_its_kind_is_refused(wrong, message):
    with pytest.raises(TypeError, match=message):
        wrong(column("price"))


def test_numbers_of_numpy_are_numbers():
    price = column("price")
    for made in (np.float64(2.0) * price, price * np.int64(2), price * np.float32(2)):
        assert isinstance(made, Number)
    assert isinstance(np.float64(2.0) < price, Condition)
