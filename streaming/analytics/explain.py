"""Scores and weights as rows for a person: what each strategy has, and why."""

import math
from typing import Any

import numpy as np

from streaming.analytics.return_files import DailyReturns
from streaming.analytics.scoring import NO_SCORE, Scores
from streaming.analytics.weights import BINDS, Weights


def score_rows(of: DailyReturns, scores: Scores) -> list[dict[str, Any]]:
    """Give a row for each strategy, best score first; undefined figures are None.

    Names are those of `strategy_perf_latest`, with `deflated` beside them.
    """
    rows = [
        {
            "strategyId": name,
            "observations": int(scores.observations[at]),
            "activeDays": int(scores.active_days[at]),
            "netReturn": _defined(scores.net_return[at]),
            "sharpe": _defined(scores.sharpe[at]),
            "sharpeStdError": _defined(scores.std_error[at]),
            "shrunkSharpe": float(scores.shrunk_sharpe[at]),
            "tStat": _defined(scores.t_stat[at]),
            "psr": _defined(scores.psr[at]),
            "deflated": _defined(scores.deflated[at]),
            "maxDrawdown": _defined(scores.max_drawdown[at]),
            "flag": NO_SCORE[scores.reason[at]] or None,
        }
        for at, name in enumerate(of.strategies)
    ]
    return sorted(rows, key=lambda row: (-row["shrunkSharpe"], row["strategyId"]))


def weight_rows(of: DailyReturns, weights: Weights) -> list[dict[str, Any]]:
    """Give a row for each strategy, largest weight first.

    Names are those of `strategy_weights_latest`; `low` and `high` are the bounds that held.
    """
    rows = [
        {
            "strategyId": name,
            "weight": float(weights.weight[at]),
            "previousWeight": None if weights.previous is None else float(weights.previous[at]),
            "equalPart": float(weights.equal_part[at]),
            "scorePart": float(weights.score_part[at]),
            "low": float(weights.low[at]),
            "high": float(weights.high[at]),
            "reason": reason(weights, at),
        }
        for at, name in enumerate(of.strategies)
    ]
    return sorted(rows, key=lambda row: (-row["weight"], row["strategyId"]))


def reason(weights: Weights, at: int) -> str | None:
    """Say what bounds a weight; None where nothing does."""
    parts = [BINDS[weights.binds[at]]] if weights.binds[at] else []
    if weights.widened > 0.0:
        parts.append(f"all clamps widened by {weights.widened:.6f} to leave a solution")
    return "; ".join(parts) or None


def sentence(of: DailyReturns, scores: Scores, weights: Weights, at: int) -> str:
    """Say in words why a strategy's weight is what it is."""
    name, target = of.strategies[at], weights.equal_part[at] + weights.score_part[at]
    why = NO_SCORE[scores.reason[at]]
    if why:
        judged = f"has no score ({why}: {scores.observations[at]} days)"
    else:
        judged = (
            f"earned a Sharpe ratio of {scores.sharpe[at]:.2f} +- {scores.std_error[at]:.2f} over "
            f"{scores.observations[at]} days, of which {scores.shrunk_sharpe[at]:.2f} is to be "
            "believed"
        )
    parts = (
        f"{name} {judged}. Equal part {weights.equal_part[at]:.4f} and score part "
        f"{weights.score_part[at]:.4f} make {target:.4f}"
    )
    bound = BINDS[weights.binds[at]]
    moved = weights.weight[at] - target
    if bound:
        return f"{parts}; {bound} at {weights.weight[at]:.4f}."
    if np.abs(moved) < 5e-5:
        return f"{parts}: its weight."
    return f"{parts}; {moved:+.4f} for the sum to be 1: {weights.weight[at]:.4f}."


def _defined(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
