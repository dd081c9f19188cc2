"""How mutants are made: mutmut's operators that ask something of a test, and some more.

Of the mutants that mutmut 3.8 makes of these rules, three in four put None in the place of
an argument or a value, drop an argument, or change the name of a record's field. They die
of a TypeError or KeyError on the first call, whatever the tests assert, and would lift the
score without meaning anything. Left out for the same reason: lambdas that give None.
Texts, which here are names of fields and the wording of errors, are left alone too.
"""

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import libcst as cst
from mutmut.mutation import mutators

Operator = tuple[type, Callable[[Any], Iterable[cst.CSTNode]]]

KEPT = {
    mutators.operator_number,  # n + 1
    mutators.operator_name,  # True and False
    mutators.operator_keywords,  # break, continue, in, is
    mutators.operator_swap_op,  # + and -, < and <=, and and or, ...
    mutators.operator_augmented_assignment,  # += to =
    mutators.operator_remove_unary_ops,  # not
    mutators.operator_if_exp,  # either branch always
}

_REVERSED = {
    cst.LessThan: cst.GreaterThan,
    cst.LessThanEqual: cst.GreaterThanEqual,
    cst.GreaterThan: cst.LessThan,
    cst.GreaterThanEqual: cst.LessThanEqual,
    cst.Equal: cst.LessThan,
    cst.NotEqual: cst.GreaterThan,
}

_TWINS = {
    "maximum": "minimum",
    "min": "max",
    "max": "min",
    "minimum": "maximum",
    "any": "all",
    "all": "any",
    "add_wide": "sub_wide",
    "sub_wide": "add_wide",
    "_ZERO": "_ONE",
    "_ONE": "_ZERO",
    "NEVER": "FILL",
    "FILL": "CANCEL",
    "CANCEL": "FILL",
    "LIMIT": "SCALE",
    "SCALE": "LIMIT",
    "BUY_WORD": "SELL_WORD",
    "SELL_WORD": "BUY_WORD",
    "OVERFLOW": "LIMIT",
}

# The order of their arguments means nothing, or for the last three nothing among amounts that
# are not negative.
_SYMMETRIC = {"min", "max", "minimum", "maximum", "mul_wide", "times"}
_SYMMETRIC |= {"value", "fraction_of", "target_notional"}
_MOST_ARGUMENTS = 4


def _named(node: cst.BaseExpression) -> str:
    """Give the last part of the name of what is called."""
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def less(node: cst.Integer) -> Iterable[cst.CSTNode]:
    """Take one off a number; off 0 not, where x > -1 only says x >= 0 again."""
    if node.evaluated_value > 0:
        yield cst.Integer(str(node.evaluated_value - 1))


def reversed_comparison(node: cst.ComparisonTarget) -> Iterable[cst.CSTNode]:
    """Compare the other way round, beside the neighbour that mutmut takes."""
    other = _REVERSED.get(type(node.operator))
    if other:
        yield node.with_changes(operator=other())


def twin(node: cst.Name) -> Iterable[cst.CSTNode]:
    """Take the opposite function, or another constant."""
    if node.value in _TWINS:
        yield node.with_changes(value=_TWINS[node.value])


def swapped_arguments(node: cst.Call) -> Iterable[cst.CSTNode]:
    """Swap neighbouring arguments of a call that has few."""
    plain = [arg for arg in node.args if arg.keyword is None and not arg.star]
    if len(plain) != len(node.args) or not 2 <= len(plain) <= _MOST_ARGUMENTS:
        return
    if _named(node.func) in _SYMMETRIC:
        return
    for i, (left, right) in enumerate(pairwise(plain)):
        if left.value.deep_equals(right.value):
            continue
        pair = [left.with_changes(value=right.value), right.with_changes(value=left.value)]
        yield node.with_changes(args=[*node.args[:i], *pair, *node.args[i + 2 :]])


def forced(node: cst.If | cst.While) -> Iterable[cst.CSTNode]:
    """Enter a branch always or never; a loop never, because always is a hang."""
    test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    ways = [(cst.And(), "False")] + ([(cst.Or(), "True")] if isinstance(node, cst.If) else [])
    for operator, outcome in ways:
        yield node.with_changes(test=cst.BooleanOperation(test, operator, cst.Name(outcome)))


def removed(node: cst.Assign | cst.AugAssign | cst.Expr) -> Iterable[cst.CSTNode]:
    """Leave a statement out."""
    if isinstance(node, cst.Expr) and not isinstance(node.value, cst.Call):
        return
    yield cst.Pass()


ADDED: list[Operator] = [
    (cst.Integer, less),
    (cst.ComparisonTarget, reversed_comparison),
    (cst.Name, twin),
    (cst.Call, swapped_arguments),
    (cst.If, forced),
    (cst.While, forced),
    (cst.Assign, removed),
    (cst.AugAssign, removed),
    (cst.Expr, removed),
]


def install() -> None:
    """Make mutmut use these operators in this process and its children."""
    kept = [pair for pair in mutators.mutation_operators if pair[1] in KEPT]
    if len({operator for _, operator in kept}) != len(KEPT):
        raise RuntimeError("mutmut lacks an operator that this run counts on: pin its version")
    mutators.mutation_operators[:] = [*kept, *ADDED]
