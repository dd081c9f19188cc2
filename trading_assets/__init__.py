"""The Dagster platform: one folder for each code location.

No trading logic lives here. Plain functions call `streaming`; thin assets, checks, sensors
and schedules wrap them.
"""
