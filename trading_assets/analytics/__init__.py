"""The analytics code location: backtests, equity metrics, checks."""
