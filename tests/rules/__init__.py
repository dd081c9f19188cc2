"""The fast rules held against the oracle, on random and on hand-worked input."""
