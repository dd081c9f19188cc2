"""The real bars through the whole platform: checks green; then each rule broken on the disk.

A real file of each table that Dagster checks is spoilt in every way that its definition
knows, and the check of that table, run by Dagster, tells each rule with its row; the checks of
other tables stay green.
"""

import shutil
import time
from itertools import batched
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

