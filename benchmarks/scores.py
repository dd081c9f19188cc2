"""How good scores and weights are, on worlds whose truth is known, and how fast.

Estimators are judged by their RMSE against the true annual Sharpe ratios; weights (half
equal, half by the estimator's score, in the box, no clamp) by the true annual Sharpe ratio of
the portfolio.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.worlds import Climate, World, make_world
from streaming.analytics.scoring import score
from streaming.analytics.weights import weigh

Float = NDArray[np.float64]
Estimator = Callable[[World], Float]

CLIMATES = {
    "standard": Climate(),
    "no autocorrelation": Climate(memory=(0.0, 0.0)),
    "strong autocorrelation": Climate(memory=(0.3, 0.6)),
    "mean -0.5": Climate(mean=-0.5),
    "turn bad half-way": Climate(turns_bad=True),
}
"""The first is the one on which the formulas were chosen."""


def raw(world: World) -> Float:
    """Give the Sharpe ratio of the returns."""
    return np.nan_to_num(score(world.returns, world.first).sharpe)


def shrunk(world: World) -> Float:
    """Give the score that the platform uses."""
    return score(world.returns, world.first).shrunk_sharpe


def equal(world: World) -> Float:
    """Know nothing."""
    return np.zeros(len(world.truth))


def oracle(world: World) -> Float:
    """Know the truth."""
    return world.truth


ESTIMATORS: dict[str, Estimator] = {
    "raw": raw,
    "shrunk": shrunk,
    "equal": equal,
    "oracle": oracle,
}
"""Put another one here to see how it does."""


def judge(climate: Climate, worlds: int, seed: int) -> dict[str, dict[str, float]]:
    """Give each estimator's RMSE, and the mean true Sharpe ratio of its weights."""
    random = np.random.default_rng(seed)
    squares: dict[str, float] = dict.fromkeys(ESTIMATORS, 0.0)
    ratios: dict[str, float] = dict.fromkeys(ESTIMATORS, 0.0)
    strategies = 0
    for _ in range(worlds):
        world = make_world(random, climate)
        strategies += len(world.truth)
        for name, estimate in ESTIMATORS.items():
            scores = estimate(world)
            squares[name] += float(((scores - world.truth) ** 2).sum())
            ratios[name] += world.portfolio_sharpe(weigh(scores).weight)
    return {
        name: {"rmse": (squares[name] / strategies) ** 0.5, "portfolio": ratios[name] / worlds}
        for name in ESTIMATORS
    }


def speeds() -> dict[str, float]:
    """Give the median seconds for scores and weights of 20 and of 1,000 strategies."""
    random = np.random.default_rng(1)
    found = {}
    for count, rounds in ((20, 51), (1000, 11)):
        returns = random.standard_t(4, (count, 365)) * 0.01
        first = np.zeros(count, np.int64)
        previous = np.full(count, 1.0 / count)
        taken = []
        for _ in range(rounds + 1):
            begin = time.perf_counter()
            weigh(score(returns, first).shrunk_sharpe, previous)
            taken.append(time.perf_counter() - begin)
        found[f"{count} strategies x 365 days"] = statistics.median(taken[1:])
    return found


def main() -> None:
    """Run and print; `--json` for programs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    report: dict[str, Any] = {"worlds": given.worlds, "seeds": given.seeds, "seconds": speeds()}
    for name, climate in CLIMATES.items():
        runs = [judge(climate, given.worlds, seed) for seed in range(given.seeds)]
        report[name] = _summary(runs)
        if not given.json:
            _print_climate(name, report[name])
    if given.json:
        json.dump(report, sys.stdout, indent=2)
        return
    for what, seconds in report["seconds"].items():
        print(f"scores and weights of {what}: {seconds * 1e3:.2f} ms")


def _summary(runs: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Give the means over seeds, and the spread of what is aimed at."""
    means = {
        name: {what: statistics.mean(run[name][what] for run in runs) for what in runs[0][name]}
        for name in ESTIMATORS
    }
    gains = [run["shrunk"]["portfolio"] - run["raw"]["portfolio"] for run in runs]
    return {
        **means,
        "rmse shrunk / raw": statistics.mean(
            run["shrunk"]["rmse"] / run["raw"]["rmse"] for run in runs
        ),
        "portfolio shrunk - raw": statistics.mean(gains),
        "standard error": statistics.stdev(gains) / len(gains) ** 0.5 if len(gains) > 1 else None,
    }


def _print_climate(name: str, found: dict[str, Any]) -> None:
    print(name)
    for estimator in ESTIMATORS:
        one = found[estimator]
        print(f"  {estimator:8} RMSE {one['rmse']:6.3f}   portfolio {one['portfolio']:6.3f}")
    error = found["standard error"]
    print(
        f"  shrunk / raw RMSE {found['rmse shrunk / raw']:.3f}; portfolio shrunk - raw "
        f"{found['portfolio shrunk - raw']:+.4f}" + (f" +- {error:.4f}" if error else "")
    )


if __name__ == "__main__":
    main()
