"""Analytics: plain functions from trade matches to equity, returns and their figures.

`days` cuts time into calendar days, `statistics` judges daily PnL, `trades` judges trades,
`equity` puts them together into reports, and `report` and `plot` show these. Importing this
package costs numpy only; Arrow, numba and matplotlib load where they are first needed.
"""

from streaming.analytics.days import daily_pnl
from streaming.analytics.equity import EquityReport, equity_metrics, figures_from_matches
from streaming.analytics.statistics import Figures, figures
from streaming.analytics.trades import MatchArrays, TradeFigures, trade_figures

__all__ = [
    "EquityReport",
    "Figures",
    "MatchArrays",
    "TradeFigures",
    "daily_pnl",
    "equity_metrics",
    "figures",
    "figures_from_matches",
    "trade_figures",
]
