"""Bars and exec reports as files that other programs write, and what a feed makes of them."""

import datetime as dt
import json

import pyarrow as pa
import pyarrow.parquet as pq

from .files import HEADER

REPORTS = "accountId,orderId,fillId,symbol,side,fillQty,fillPrice,ts,fees,venue"
START = dt.datetime(2024, 3, 4, 12, tzinfo=dt.UTC)


def bar(minute, symbol="S", price=100):
    ts = START + dt.timedelta(minutes=minute)
    return f"{symbol},{ts:%Y-%m-%dT%H:%M:%SZ},{price},{price + 2},{price - 1},{price + 1}.25,7"


def report(number, order="o"):
    ts = START + dt.timedelta(seconds=number)
    return f"acct,{order},{number},S,BUY,1.5,100.25,{ts:%Y-%m-%dT%H:%M:%SZ},0.01,X"


def write(path, lines, kind, header=HEADER):
    """Write lines of a CSV as a file of some kind: hidden first, and then renamed."""
    hidden = path.with_name(f".{path.name}")
    cells = [line.split(",") for line in lines]
    names = header.split(",")
    if kind == "csv":
        hidden.write_text("\n".join([header, *lines]) + "\n")
    elif kind == "jsonl":
        hidden.write_text(
            "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in cells)
        )
    else:
        columns = [pa.array(column, pa.string()) for column in zip(*cells, strict=True)]
        pq.write_table(pa.table(columns, names), hidden, row_group_size=7)
    hidden.rename(path)


def taken(batches):
    """What batches hold: bars, reports, lines and files refused, alerts; each row as its texts."""
    found = {"bars": [], "reports": [], "refused": [], "alerts": []}
    for batch in batches:
        if batch is None:
            continue
        for one in batch.arrivals:
            rows = one.rows.select(["symbol", "ts", "price"]).to_pylist()
            found["bars"] += [
                (one.source, int(number), *map(str, row.values()), one.problems.get(at))
                for at, (number, row) in enumerate(zip(one.number, rows, strict=True))
            ]
        for one in batch.reports:
            rows = one.rows.select(["orderId", "fillId", "ts"]).to_pylist()
            found["reports"] += [
                (one.source, int(number), *map(str, row.values()), one.problems.get(at))
                for at, (number, row) in enumerate(zip(one.number, rows, strict=True))
            ]
        for rows in batch.quarantine:
            found["refused"] += [
                (row["source"], row["rowNumber"], row["reason"]) for row in rows.to_pylist()
            ]
        found["alerts"] += [alert.message for alert in batch.alerts]
    return found
