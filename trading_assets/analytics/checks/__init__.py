"""Checks: that tables keep their contracts, and that they agree with each other.

Plain functions; `results` turns what they report into Dagster's check results.
"""
