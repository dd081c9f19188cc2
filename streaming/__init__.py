"""The trading system: prices to indicators, signals, orders, fills, lots and figures.

`contracts` defines every table, `rules` every computation on numbers, `jobs` the steps of
the dataflow, and `runtimes` drive the jobs over bounded or live input. Nothing in this
package imports Dagster, dbt or pandas.
"""
