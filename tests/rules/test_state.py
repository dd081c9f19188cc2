"""State as bytes: what comes back is what went in, and damage is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from streaming.errors import StateError
from streaming.rules.state import pack, unpack

ARRAYS = st.dictionaries(
    st.text(min_size=1, max_size=5),
    npst.arrays(
        st.sampled_from(["<i8", ">i8", "<f8", "<u8", "|b1", "<i4", ">f4"]),
        npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
    ),
    max_size=4,
)


@given(ARRAYS, st.integers(0, 9))
def test_what_was_packed_comes_back(arrays, number):
    back, facts = unpack("kind", 3, pack("kind", 3, arrays, number=number))
    assert facts == {"number": number}
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].flags.writeable


def test_every_flipped_bit_is_told():
    saved = pack("kind", 3, {"a": np.arange(3), "b": np.array([True])}, fact=1)
    untold = []
    for bit in range(8 * len(saved)):
        damaged = bytearray(saved)
        damaged[bit // 8] ^= 1 << bit % 8
        try:
            unpack("kind", 3, bytes(damaged))
            untold.append((bit // 8, chr(damaged[bit // 8])))
        except StateError:
            pass
        except Exception as error:
            untold.append((bit // 8, repr(error)))
    assert untold == []


@pytest.mark.parametrize("length", range(0, 200, 13))
def test_bytes_that_end_early_are_refused(length):
    saved = pack("kind", 3, {"a": np.arange(20)})
    with pytest.raises(StateError):
        unpack("kind", 3, saved[: min(length, len(saved) - 1)])


@pytest.mark.parametrize(("kind", "version"), [("other", 3), ("kind", 2)])
def test_another_kind_or_version_is_refused_by_name(kind, version):
    saved = pack("kind", 3, {})
    with pytest.raises(StateError, match="version 3"):
        unpack(kind, version, saved)


def test_equal_state_gives_equal_bytes_whatever_the_byte_order():
    little, big = np.arange(5, dtype="<i8"), np.arange(5, dtype=">i8")
    assert pack("k", 1, {"a": little}) == pack("k", 1, {"a": big})
    assert pack("k", 1, {"a": little[::2]}) == pack("k", 1, {"a": little[::2].copy()})
