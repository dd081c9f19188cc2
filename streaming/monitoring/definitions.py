"""Every metric, defined once: the endpoint and docs/metrics.md are made from it.

Names and labels of the first ten are the specification's. Those of them that end in `_total`
and may fall are gauges all the same.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """A metric: its name as it is scraped, kind, labels, and what it says."""

    name: str
    kind: Literal["gauge", "counter", "histogram"]
    labels: tuple[str, ...]
    help: str


_OWNER = ("account", "strategy")

METRICS = tuple(
    Metric(*one)
    for one in (
        (
            "te_unrealized_pnl_total",
            "gauge",
            _OWNER,
            "open positions at their symbols' last closes; not with monitoring.export = fluss",
        ),
        ("te_realized_pnl_total", "gauge", _OWNER, "realised PnL of all matches, before fees"),
        ("te_net_exposure", "gauge", _OWNER, "longs less shorts at their symbols' last closes"),
        ("te_open_positions_count", "gauge", _OWNER, "symbols with a position"),
        ("tp_signals_accepted_total", "counter", ("account", "reason"), "signals accepted"),
        ("tp_signals_rejected_total", "counter", ("code",), "signals rejected, of all accounts"),
        ("engine_matches_emitted_total", "counter", (), "trade matches, paper's among them"),
        (
            "te_rollup_staleness_seconds",
            "gauge",
            ("symbol",),
            "of a symbol with a position: trading time since all was decided",
        ),
        (
            "prices_bar_delay_seconds",
            "gauge",
            ("symbol",),
            "trading time since the close of the symbol's last bar",
        ),
        ("te_fees_total", "gauge", _OWNER, "fees of all matches"),
        ("engine_checkpoint_duration_seconds", "histogram", (), "commits of this process"),
        ("engine_late_events_total", "counter", ("kind",), "bars and fills that came too late"),
        ("engine_duplicates_dropped_total", "counter", ("kind",), "bars and fills that came again"),
        ("engine_quarantined_rows_total", "counter", (), "rows refused, of all tables"),
        ("engine_lease_age_seconds", "gauge", (), "since the last heartbeat of the store's lease"),
        ("engine_last_tick_timestamp_seconds", "gauge", (), "wall clock of the last commit"),
        (
            "engine_decided_to_timestamp_seconds",
            "gauge",
            (),
            "event time up to which everything is decided",
        ),
    )
)


def metrics_markdown() -> str:
    """Give the page docs/metrics.md."""
    lines = [
        "# Metrics",
        "",
        "Made from `streaming/monitoring/definitions.py` by `make docs`.",
        "",
        "| metric | kind | labels | says |",
        "|---|---|---|---|",
    ]
    for one in METRICS:
        labels = ", ".join(one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {labels} | {one.help} |")
    return "\n".join(lines) + "\n"
