"""The trading rules once more, slow and plain, to hold the fast ones against.

Written from SPEC.md alone, in Python's own integers, deques and dicts: no numpy, no numba,
nothing of `streaming`. All amounts are integers in 1e-8 of their unit, all times integers
in microseconds UTC. The tests of this folder check the oracle by hand-worked examples.
"""
