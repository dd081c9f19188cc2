"""Great Expectations suites of the contracts, and how data frames are held against them.

Great Expectations takes seconds to import, so that it is imported only where it is used. It
keeps nothing: the context is ephemeral, its analytics and progress bars are off.

What shaped this (seen with 1.24.1): `ExpectColumnValuesToBeBetween` is fast on numpy's int64
and float64 alone, so that frames hold no other numbers; where the rows of an expectation are
filtered (`row_condition`, `ignore_row_if`) row numbers have been wrong or the expectation has
crashed (great_expectations issues 3666, 12095), so that nothing is filtered there; bounds are
turned into doubles, so that none may need more digits than these have; a crash is told in
`exception_info` beside `success: false`, so that it must be asked for.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streaming.contracts import Table
from streaming.errors import TradingError
from trading_assets.analytics.checks.rules import Rule, Stage, rules_of

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations import ExpectationSuite

Rows = NDArray[np.int64]


class CheckCrashed(TradingError):  # noqa: N818  # it tells of the check, not of the data
    """A check could not be made; nothing is known of the rows."""


def expectation_suite(
    table: Table, now: int, *, ordered: bool = True, max_age_seconds: float | None = None
) -> "ExpectationSuite":
    """Give all rules of a table as one suite; each expectation's meta names rule and stage.

    See `rules.rules_of` for the parameters, `frames` for the frames that the stages are
    asked of.
    """
    rules = rules_of(table, now, ordered=ordered, max_age_seconds=max_age_seconds)
    return _suite(table.name, rules)


def _suite(name: str, rules: Sequence[Rule]) -> "ExpectationSuite":
    gx = _great_expectations()
    suite: ExpectationSuite = gx.ExpectationSuite(
        name=name,
        expectations=[
            getattr(gx.expectations, rule.expectation)(
                **rule.arguments,
                meta={"rule": rule.name, "stage": rule.stage, "columns": list(rule.columns)},
            )
            for rule in rules
        ],
    )
    return suite


def failing_rows(
    table: Table, stage: Stage, rules: Sequence[Rule], frame: "pd.DataFrame"
) -> dict[str, Rows]:
    """Hold a frame against rules.

    Parameters
    ----------
    table : Table
        Whose rules they are; for messages.
    stage : str
        What the frame is a frame of; rules of other stages are left out.
    rules : sequence of Rule
        Names are unique.
    frame : pandas.DataFrame
        With every column that the rules ask for; see `frames`.

    Returns
    -------
    dict of str to int64[k]
        The rules that do not hold, in the order given, and the places of the rows in the
        frame, ascending; none for a rule that is not about rows.

    Raises
    ------
    CheckCrashed
        Great Expectations failed to evaluate an expectation.
    """
    asked = {rule.name: rule for rule in rules if rule.stage == stage}
    if not asked:
        return {}
    gx = _great_expectations()
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    # A context of its own for each frame: a context keeps the frames that it has seen. By
    # default it would make a folder for a docs site.
    nowhere = InMemoryStoreBackendDefaults(init_temp_docs_sites=False)
    context = gx.get_context(
        mode="ephemeral", project_config=DataContextConfig(store_backend_defaults=nowhere)
    )
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    batch = (
        context.data_sources.add_pandas(table.name)
        .add_dataframe_asset(stage)
        .add_batch_definition_whole_dataframe("rows")
        .get_batch({"dataframe": frame.reset_index(drop=True)})
    )
    suite = _suite(f"{table.name}.{stage}", list(asked.values()))
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    found: dict[str, Rows] = {}
    for result in outcome.results:
        name = result.expectation_config.meta["rule"]
        crash = _crash(result.exception_info)
        if crash:
            raise CheckCrashed(f"{table.name}: the rule {name!r} could not be checked: {crash}")
        if not result.success:
            found[name] = _rows(table, name, result.result)
    missing = asked.keys() - {each.expectation_config.meta["rule"] for each in outcome.results}
    if missing:
        raise CheckCrashed(f"{table.name}: no answer about the rules {sorted(missing)}")
    return {name: found[name] for name in asked if name in found}


def _rows(table: Table, name: str, result: dict[str, Any]) -> Rows:
    count = result.get("unexpected_count")
    if count is None:  # an expectation about the frame
        return np.empty(0, np.int64)
    rows = np.sort(np.asarray(result.get("unexpected_index_list") or [], np.int64))
    if len(rows) != count or count == 0:
        raise CheckCrashed(
            f"{table.name}: the rule {name!r} fails for {count} rows, but {len(rows)} are named"
        )
    return rows


def _crash(info: Any) -> str:
    """Say what went wrong in an expectation, "" where nothing did.

    `exception_info` is either one description or one for each metric that crashed.
    """
    if not info:
        return ""
    told = [info] if "raised_exception" in info else list(info.values())
    return "; ".join(
        str(each.get("exception_message") or "unknown") for each in told if each["raised_exception"]
    )


def _great_expectations() -> Any:
    # Read when it is imported; by the environment it is off before a context can say so.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx

    return gx
