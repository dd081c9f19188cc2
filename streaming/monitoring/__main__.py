"""Print the page of metrics: `python -m streaming.monitoring > docs/metrics.md`."""

import sys

from streaming.monitoring.definitions import metrics_markdown

sys.stdout.write(metrics_markdown())
