"""Prometheus metrics of the live engine: what there is, what it says, and where it is scraped."""
