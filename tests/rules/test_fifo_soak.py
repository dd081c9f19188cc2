"""FIFO on many random sequences against the oracle, cut and restarted at random."""

import pytest
from oracle import samples

from rules import soak
from rules.fast_fifo import Expected, Feed, lot_rows, position_rows
from streaming.rules.lot_books import LotBooks


@pytest.mark.slow
@pytest.mark.parametrize("shard", range(soak.SHARDS))
def test_fifo_equals_the_oracle(shard):
    for seed, size, rng in soak.batches(shard):
        feed = Feed([samples.fill_case(rng) for _ in range(size)])
        expected, found = Expected(feed), []
        books = feed.books(shards=rng.choice([1, 2, 4]))
        for part in samples.cuts(rng, len(feed)):
            found += feed.match(books, part)
            books = LotBooks.from_bytes(books.to_bytes(), shards=rng.choice([1, 2, 4]))
        assert found == expected.matches, f"matches of seed {seed}"
        assert lot_rows(books) == expected.lots(), f"lots of seed {seed}"
        assert position_rows(books) == expected.positions(), f"positions of seed {seed}"
