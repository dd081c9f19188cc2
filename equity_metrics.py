"""Equity metrics of trade matches: `trading metrics` as a script, with the same options.

python equity_metrics.py MATCHES... [--capital 100000] [--by strategy] [--plot FILE.png]
"""

import sys

from streaming.cli import main

if __name__ == "__main__":
    sys.argv.insert(1, "metrics")
    main()
