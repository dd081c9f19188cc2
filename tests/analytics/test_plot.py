"""Pictures: a sound PNG for every shape of report, the same bytes each time."""

import zlib
from dataclasses import replace
from datetime import date

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from analytics.books import a_match, lot_table, match_table, random_book
from streaming.analytics import equity_metrics
from streaming.analytics.plot import png, save_png
from streaming.analytics.plot.panels import apart, fitting, month_sums
from streaming.analytics.plot.scoreboard import scoreboard
from streaming.analytics.plot.theme import compact, signless_zero, themed
from streaming.analytics.prices import SeriesPrices
from streaming.errors import LakeError, SourceError

MINUS = "\N{MINUS SIGN}"


def chunks(image):
    """Give the chunks of a PNG as (kind, bytes), their checksums verified."""
    assert image[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(image):
        size = int.from_bytes(image[at : at + 4], "big")
        kind, body = image[at + 4 : at + 8], image[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + body) == int.from_bytes(image[at + 8 + size :][:4], "big")
        found.append((kind, body))
        at += size + 12
    return found


def pixels(image):
    """Give the size of a PNG, and how many distinct rows of pixels it has."""
    parts = chunks(image)
    header = dict(parts)[b"IHDR"]
    width, height = (int.from_bytes(header[i : i + 4], "big") for i in (0, 4))
    raw = zlib.decompress(b"".join(body for kind, body in parts if kind == b"IDAT"))
    rows = np.frombuffer(raw, np.uint8).reshape(height, -1)
    return width, height, len({row.tobytes() for row in rows})


def book(**more):
    matches, lots, prices = random_book(4)
    return equity_metrics(
        match_table(matches), prices=SeriesPrices(prices), open_lots=lot_table(lots), **more
    )


@pytest.mark.parametrize(
    "reports",
    [
        lambda: book()[:1],
        lambda: book(),
        lambda: book(names=[f"idle {n}" for n in range(9)]),
        lambda: book(start=date(2005, 1, 1), end=date(2013, 12, 31)),
        lambda: equity_metrics(match_table([a_match()])),  # one day, no prices
        lambda: equity_metrics(  # nothing at all
            match_table([]), start=date(2013, 1, 1), end=date(2013, 1, 1), names=[""]
        ),
        lambda: equity_metrics(  # more than all is lost, under a name that wants escaping
            match_table([a_match(strategyId="$a_b$ %", realizedPnl=-(10**15))]),
            end=date(2013, 10, 9),
        ),
    ],
    ids=["one", "several", "many", "years", "one day", "idle", "lost"],
)
def test_every_shape_of_report_makes_a_picture(reports):
    width, height, rows = pixels(png(reports()))
    assert width > 1000
    assert height > 800
    assert rows > height / 4  # lines, letters and bars: hardly two rows of pixels are equal


def drawn(reports, accounts=None):
    """Draw a scoreboard; give it with all texts on it, and its curve of all together."""
    with themed():
        figure = scoreboard(reports, accounts)
    texts = [text.get_text() for text in figure.findobj(mpl.text.Text)]
    return figure, texts, figure.axes[1].lines[1].get_ydata()


@pytest.mark.parametrize(
    ("accounts", "capital", "says"),
    [
        (1, 1000, "on 1,000 of one account"),
        (2, 2000, "on 2,000 of 2 accounts"),
        (None, 3000, "on 3,000 of 3 accounts"),
    ],
)
def test_all_together_are_measured_on_the_capital_of_their_accounts(accounts, capital, says):
    matches = random_book(4)[0]
    reports = equity_metrics(match_table(matches), capital=1000)
    [whole] = equity_metrics(match_table(matches), capital=capital, by="run")
    _, texts, fall = drawn(reports, accounts)
    assert fall.min() == pytest.approx(whole.realised.figures.max_drawdown)
    assert any(text.startswith(says) for text in texts)
    assert any(f"1,000 each, together {says[3:]}" in text for text in texts)
    deepest = signless_zero(f"{whole.realised.figures.max_drawdown * 100:.1f}") + " %"
    assert any(text.startswith(deepest) for text in texts)


def test_no_label_leaves_the_page():
    names = ["dual_horizon_momentum", "W" * 200]
    reports = equity_metrics(match_table([a_match(strategyId=name) for name in names]))
    figure, texts, _ = drawn(reports)
    renderer = FigureCanvasAgg(figure).get_renderer()
    labels = [text for text in figure.axes[0].texts if text.get_text()]
    assert len(labels) == 3
    for label in labels:
        assert label.get_window_extent(renderer).x1 < figure.bbox.x1
    assert any(text.startswith("dual_horizon_momentum  ") for text in texts)
    assert any(text.startswith("WW") and "…  " in text for text in texts)


def test_a_label_keeps_its_value_whatever_the_room():
    assert fitting("name", "  1 %", 1000) == "name  1 %"
    assert fitting("name", "  1 %", 0) == "…  1 %"


def test_notes_beyond_those_on_the_page_are_counted():
    notes = ("a" * 60, "b" * 200, "c", "d")
    figure, _, _ = drawn([replace(report, notes=notes) for report in book()])
    [foot] = [text for text in figure.texts if "Note:" in text.get_text()]
    assert "tells 2 more notes" in foot.get_text()
    assert foot.get_text().endswith("b…")
    extent = foot.get_window_extent(FigureCanvasAgg(figure).get_renderer())
    assert extent.x1 < figure.bbox.x1
    assert extent.y0 > 0


def test_the_same_reports_give_the_same_bytes_whatever_the_users_settings():
    expected = png(book())
    with mpl.rc_context({"font.size": 30, "lines.linewidth": 9, "axes.facecolor": "red"}):
        assert png(book()) == expected
        assert mpl.rcParams["font.size"] == 30


def test_no_date_and_no_version_is_written():
    assert {kind for kind, _ in chunks(png(book()[:1]))} <= {b"IHDR", b"pHYs", b"IDAT", b"IEND"}


def test_a_picture_of_nothing_is_an_error(tmp_path):
    with pytest.raises(SourceError, match="nothing to draw"):
        save_png([], tmp_path / "none.png")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LakeError, match="cannot be written"):
        save_png(book()[:1], tmp_path / "file" / "x.png")


def test_labels_that_touch_move_apart_in_their_order():
    heights = np.array([0.5, 0.51, 0.1, 0.49])
    placed = apart(heights, 0.1)
    assert placed[2] == 0.1
    assert np.allclose(np.sort(placed)[1:], [0.4, 0.5, 0.6])
    assert list(np.argsort(placed)) == list(np.argsort(heights))


def test_months_add_up_their_days():
    days = np.arange(np.datetime64("2013-12-30"), np.datetime64("2014-01-03"))
    months, sums = month_sums(days, np.array([1.0, 2.0, 4.0, 8.0]))
    assert months == [(2013, 12), (2014, 1)]
    assert sums.tolist() == [3.0, 12.0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (compact(0), "0"),
        (compact(1250), "1,250"),
        (compact(-45_200), f"{MINUS}45,200"),
        (compact(100_000), "100k"),
        (compact(1_350_000), "1.35M"),
        (compact(0.5), "0.50"),
        (signless_zero("-0.0"), "0.0"),
        (signless_zero("-0.1"), f"{MINUS}0.1"),
    ],
)
def test_numbers_on_pictures(written, expected):
    assert written == expected
