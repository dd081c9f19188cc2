"""The broker that the settings name."""

from pathlib import Path

from streaming.brokers.broker import PAPER, Broker
from streaming.brokers.exchange import Habits, SimulatedExchange
from streaming.runtimes.backtest.definition import account_rules
from streaming.runtimes.live.engine import LivePlan


def open_broker(plan: LivePlan, store: Path) -> Broker | None:
    """Open the broker of a plan; None for the one inside the rules.

    The simulated exchange has its file beside the store: live.db has live-exchange.db.

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
    path = store.with_name(f"{store.stem}-exchange.db")
    return SimulatedExchange(path, plan.account, habits, plan.instruments)
