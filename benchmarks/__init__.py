"""The benchmarks of the trading platform: its own rules and its peers on the same inputs.

`python -m benchmarks` sets up each peer's own environment, runs everything in turns and
prints one table of ratios. Nothing here is imported by the product.
"""
