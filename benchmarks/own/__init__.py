"""The product's own contenders, one per workload, run in the project's environment."""
