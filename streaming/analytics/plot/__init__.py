"""Reports as a picture: one page for one report, a scoreboard for several.

The PNG's bytes are a function of the reports alone (with one version of matplotlib): its
settings start from matplotlib's own defaults, whatever the machine's are, its fonts ship
with matplotlib, and no date or version is written into it.
"""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from streaming.analytics.equity import EquityReport
from streaming.errors import LakeError, SourceError

DPI = 120


def png(reports: Sequence[EquityReport], accounts: int | None = None, *, dpi: int = DPI) -> bytes:
    """Draw reports.

    Parameters
    ----------
    reports
        At least one; all of one window.
    accounts
        How many accounts, each of a report's capital, all reports traded in together: what
        their sum is measured on. None: as many as there are reports.
    dpi
        Dots per inch of a page 12.6 inches wide.

    Returns
    -------
    bytes
        A PNG.

    Raises
    ------
    SourceError
        If there is no report.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from streaming.analytics.plot.page import page
    from streaming.analytics.plot.scoreboard import scoreboard
    from streaming.analytics.plot.theme import themed

    if not reports:
        raise SourceError("there is nothing to draw: no group has a match in the window.")
    with themed():
        figure = page(reports[0]) if len(reports) == 1 else scoreboard(reports, accounts)
        FigureCanvasAgg(figure)
        buffer = BytesIO()
        # Software=None: matplotlib would write its version into the file.
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_png(reports: Sequence[EquityReport], path: Path, accounts: int | None = None) -> None:
    """Draw reports into a file, which is whole or as it was; parameters as `png` has them.

    Raises
    ------
    SourceError
        If there is no report.
    LakeError
        If the file cannot be written.
    """
    from streaming.lake.atomic import atomic_file

    image = png(reports, accounts)
    try:
        with atomic_file(path) as partial:
            partial.write_bytes(image)
    except OSError as error:
        raise LakeError(f"{path}: cannot be written ({error.strerror}).") from error
