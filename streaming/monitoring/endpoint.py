"""The endpoint: figures as Prometheus scrapes them, on loopback."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from streaming.monitoring.definitions import METRICS
from streaming.monitoring.figures import Figures
from streaming.monitoring.sessions import trading_time

HOST = "127.0.0.1"
PATH = "/metrics"

# OpenMetrics, which scrapers may ask for, refuses gauges whose names end in _total.
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_US = 1_000_000
_SLOW_SECONDS = 10.0

Sample = tuple[Sequence[str], float]


class Board(Collector):
    """What stands to be read: the engine's thread puts figures up, scrapes take them.

    Parameters
    ----------
    lease_age
        Gives the seconds since the lease's last heartbeat, in any thread; None: not known.
    clock
        The wall clock, microseconds UTC.
    """

    def __init__(
        self,
        lease_age: Callable[[], float | None],
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._lease_age = lease_age
        self._clock = clock
        self._figures = Figures()

    def publish(self, figures: Figures) -> None:
        """Put figures up in place of those before; cheap, and never waits."""
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        """Give every metric as it is now; series of what is no more are not among them."""
        figures = self._figures
        samples = dict(_samples(figures, self._clock()))
        age = self._lease_age()
        samples["engine_lease_age_seconds"] = [] if age is None else [((), age)]
        for one in METRICS:
            if one.kind == "histogram":
                durations = figures.commits
                histogram = HistogramMetricFamily(one.name, one.help, labels=one.labels)
                histogram.add_metric([], durations.cumulative(), durations.total)
                yield histogram
                continue
            kind = GaugeMetricFamily if one.kind == "gauge" else CounterMetricFamily
            family = kind(one.name, one.help, labels=one.labels)
            for labels, value in samples[one.name]:
                family.add_metric(labels, value)
            yield family


def _samples(figures: Figures, now: int) -> Iterator[tuple[str, list[Sample]]]:
    """Give the samples of each metric, but for the histogram and the lease."""
    owners, booked, tally = figures.owners, figures.booked, figures.tally
    marked: list[Sample] = [
        (one[:2], one.unrealized) for one in owners if one.unrealized is not None
    ]
    yield "te_unrealized_pnl_total", marked
    yield "te_realized_pnl_total", [(one[:2], one.realized) for one in booked]
    yield "te_net_exposure", [(one[:2], one.exposure) for one in owners]
    yield "te_open_positions_count", [(one[:2], one.positions) for one in owners]
    yield "te_fees_total", [(one[:2], one.fees) for one in booked]
    accepted = tally.accepted.items()
    yield "tp_signals_accepted_total", [((account, "OK"), count) for account, count in accepted]
    yield "tp_signals_rejected_total", _by_name(tally.rejected_by_code())
    yield "engine_matches_emitted_total", [((), tally.matches)]
    yield "engine_late_events_total", _by_name(tally.late)
    yield "engine_duplicates_dropped_total", _by_name(tally.duplicates)
    yield "engine_quarantined_rows_total", [((), tally.quarantined)]
    decided = figures.decided_to
    yield (
        "te_rollup_staleness_seconds",
        [
            ((one.symbol,), trading_time(one.calendar, decided, now) / _US)
            for one in figures.symbols
            if one.held and decided is not None
        ],
    )
    yield (
        "prices_bar_delay_seconds",
        [
            ((one.symbol,), trading_time(one.calendar, one.last_bar, now) / _US)
            for one in figures.symbols
        ],
    )
    yield "engine_last_tick_timestamp_seconds", _at(figures.committed)
    yield "engine_decided_to_timestamp_seconds", _at(decided)


def _by_name(counts: dict[str, int]) -> list[Sample]:
    return [((name,), float(count)) for name, count in counts.items()]


def _at(ts: int | None) -> list[Sample]:
    return [] if ts is None else [((), ts / _US)]


class Endpoint:
    """An HTTP server on loopback that a board is scraped from; closed at the end of a `with`.

    Parameters
    ----------
    port
        0: any that is free.

    Attributes
    ----------
    port : int
        Where it listens.

    Raises
    ------
    OSError
        If the port is taken.
    """

    def __init__(self, board: Board, port: int) -> None:
        registry = CollectorRegistry(auto_describe=False)
        registry.register(board)
        ProcessCollector(registry=registry)

        class Handler(BaseHTTPRequestHandler):
            timeout = _SLOW_SECONDS

            def do_GET(self) -> None:
                known = self.path.partition("?")[0] == PATH
                page = generate_latest(registry) if known else f"Metrics are at {PATH}\n".encode()
                with suppress(ConnectionError):  # the scraper has gone
                    self.send_response(200 if known else 404)
                    self.send_header("Content-Type", _CONTENT_TYPE)
                    self.send_header("Content-Length", str(len(page)))
                    self.end_headers()
                    self.wfile.write(page)

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing: scrapes come every few seconds."""

        self._server = ThreadingHTTPServer((HOST, port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, name="metrics", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop to listen."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()
