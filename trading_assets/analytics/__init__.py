"""The code location of prices, backtests, metrics and checks."""
