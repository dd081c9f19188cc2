"""Ids: what is fixed by other people's functions, and what must hold of any id."""

from oracle import ids
from oracle.fifo import Book, Fill


def test_a_text_of_32_hex_digits_is_its_own_number():
    assert ids.text_id("0" * 31 + "f") == 15
    assert ids.id_text(15) == "0" * 31 + "f"
    assert ids.text_id("F" * 32) != 2**128 - 1, "upper case is a text like any other"


def test_another_text_is_its_blake2b():
    # b2sum -l 128 of the empty input.
    assert ids.id_text(ids.text_id("")) == "cae66941d9efbd404e4d88758ea67670"


def test_the_finaliser_is_murmurs():
    assert ids.finalise(0) == 0
    assert ids.finalise(1) == 0xB456BCFC34C2CB2C


def test_mixing_depends_on_all_words_and_on_their_order():
    one, two = 2**64 + 3, 5 * 2**64 + 7
    mixed = ids.mix(one, two)
    others = [(two, one), (one + 1, two), (one + 2**64, two), (one, two + 1), (one, two + 2**64)]
    assert mixed not in [ids.mix(*pair) for pair in others]
    assert 0 <= mixed < 2**128


def test_for_one_id_no_two_others_mix_into_the_same():
    """Undo a mix, knowing one side: so the other side is the only one that gives it."""
    one, two = 0x0123456789ABCDEF << 64 | 17, 0xFEDCBA9876543210 << 64 | 99
    undone_high, low = divmod(ids.mix(one, two), 2**64)
    high = (undone_high - low) % 2**64
    first, second = unfinalise(high), unfinalise(low)
    one_high, one_low = divmod(one, 2**64)
    b_low = (second - (one_low ^ ids.C4) - high * ids.C3) * pow(ids.C5, -1, 2**64) % 2**64
    b_high = (first - (one_high ^ ids.C1) - b_low * ids.C3) * pow(ids.C2, -1, 2**64) % 2**64
    assert b_high << 64 | b_low == two
    b_high, b_low = divmod(two, 2**64)
    a_low = (second - b_low * ids.C5 - high * ids.C3) % 2**64 ^ ids.C4
    a_high = (first - b_high * ids.C2 - b_low * ids.C3) % 2**64 ^ ids.C1
    assert a_high << 64 | a_low == one


def unfinalise(x):
    x ^= x >> 33
    x = x * pow(0xC4CEB9FE1A85EC53, -1, 2**64) % 2**64
    x ^= x >> 33
    x = x * pow(0xFF51AFD7ED558CCD, -1, 2**64) % 2**64
    return x ^ (x >> 33)


def test_an_order_is_named_by_its_key_time_and_side():
    key = ids.position_id("a", "s", "X")
    names = {
        ids.order_id(key, 10, "BUY"),
        ids.order_id(key, 10, "SELL"),
        ids.order_id(key, 11, "BUY"),
        ids.order_id(ids.position_id("a", "s", "Y"), 10, "BUY"),
    }
    assert len(names) == 4
    assert ids.position_id("a", "sX", "") != ids.position_id("a", "s", "X")


def test_a_match_is_named_by_its_buy_and_its_sale_whichever_came_first():
    buy, sell = Fill(1, 10, 5), Fill(2, -10, 6)
    long, short = Book(), Book()
    long.apply(buy)
    short.apply(sell)
    (first,) = long.apply(sell)
    (second,) = short.apply(buy)
    assert ids.match_id(first) == ids.match_id(second) == ids.mix(1, 2)
