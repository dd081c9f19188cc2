"""Whole backtests."""
