"""The trading rules: small pure functions on numbers, compiled by numba.

Each takes (state, batch) and gives (state, outputs). They are the same functions under
every runtime, and their results never depend on how the input was cut into batches.
"""
