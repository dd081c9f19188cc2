"""The broker that the settings name."""

from pathlib import Path

from streaming.brokers.broker import PAPER, Broker
from streaming.brokers.exchange import Habits, SimulatedExchange
from streaming.runtimes.backtest.definition import account_rules
from streaming.runtimes.live.engine import LivePlan


def open_broker(plan: LivePlan, store: Path) -> Broker | None:
    """Open the broker of a plan; None for the one inside the rules.

    Raises
    ------
    BrokerError
        If it cannot be reached, or is another account's.
    """
    if plan.broker == PAPER:
        return None
    settings = plan.settings.exchange
    costs = account_rules(plan.settings)
    habits = Habits(
        seed=settings.seed,
        reject=float(settings.reject),
        expire=float(settings.expire),
        wait=float(settings.wait),
        part=float(settings.part),
        twice=float(settings.twice),
        delay_ms=settings.delay_ms,
        slippage=costs.slippage,
        fee_rate=costs.fee_rate,
    )
    return SimulatedExchange(exchange_path(store), plan.account, habits, plan.instruments)


def exchange_path(store: Path) -> Path:
    """Give the file of a store's simulated exchange, beside it: live.db has live-exchange.db."""
    return store.with_name(f"{store.stem}-exchange.db")
