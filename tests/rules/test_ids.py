"""Ids against Python's own integers of 128 bits."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st
from oracle import ids as oracle

from streaming.rules import ids

NUMBER = st.integers(0, 2**128 - 1) | st.sampled_from([0, 1, 2**64, 2**128 - 1, 2**63])
WORD = 2**64


def words(numbers):
    return np.array([divmod(number, WORD) for number in numbers], np.uint64).reshape(-1, 2)


def numbers(array):
    return [int(high) * WORD + int(low) for high, low in array]


@given(st.lists(st.tuples(NUMBER, NUMBER), max_size=5))
def test_mixing_row_by_row(pairs):
    mixed = ids.mix_rows(words(a for a, _ in pairs), words(b for _, b in pairs))
    assert numbers(mixed) == [oracle.mix(a, b) for a, b in pairs]


@given(NUMBER, st.lists(NUMBER, min_size=1, max_size=5))
def test_one_id_mixes_with_all_rows(one, others):
    assert numbers(ids.mix_rows(words([one]), words(others))) == [
        oracle.mix(one, other) for other in others
    ]


@given(st.lists(st.text() | NUMBER.map(oracle.id_text), max_size=6))
@example(["", "F" * 32, "f" * 32, "f" * 31, "0" * 32, "f" * 33, "a\x1fb", "ab" * 16 + "\n"])
def test_texts_become_numbers(texts):
    assert numbers(ids.text_ids(texts)) == [oracle.text_id(text) for text in texts]


@given(st.lists(NUMBER, max_size=6))
def test_numbers_become_texts_and_back(many):
    texts = ids.id_text(words(many)).to_pylist()
    assert texts == [oracle.id_text(number) for number in many]
    assert numbers(ids.text_ids(texts)) == many


@given(st.text(), st.text(), st.text())
def test_position_keys(account, strategy, symbol):
    high, low = ids.position_id(account, strategy, symbol)
    assert high * WORD + low == oracle.position_id(account, strategy, symbol)


FILL = st.tuples(st.text(), st.text(), st.text(), st.integers(0, 2**60), st.integers(0, 2**40))


@given(st.lists(FILL, min_size=1, max_size=4))
def test_fills_are_named_by_position_order_fill_and_time(rows):
    keys = [oracle.position_id("acct", row[0], "X") for row in rows]
    names = ids.fill_names(
        words(keys), ids.text_ids([row[1] for row in rows]), ids.text_ids([row[2] for row in rows])
    )
    ts, again = (np.array([row[at] for row in rows]) for at in (3, 4))
    assert numbers(ids.fill_ids(names, ts, again)) == [
        oracle.fill_id(key, *row[1:]) for key, row in zip(keys, rows, strict=True)
    ]


def test_words_of_the_sides():
    assert (int(ids.BUY_WORD), int(ids.SELL_WORD)) == (1, 2)
    assert ids.SIMULATED_FILL_ID == oracle.SIMULATED_FILL_ID


def test_order_of_texts_is_order_of_numbers():
    many = [5, 2**127, 2**64 - 1, 2**64, 0]
    texts = ids.id_text(words(many)).to_pylist()
    assert sorted(texts) == [oracle.id_text(number) for number in sorted(many)]
