"""Dagster's pages as a person uses them."""

import os
import re
from pathlib import Path

from playwright.sync_api import expect

SECONDS = int(os.environ.get("BROWSER_SECONDS", "60"))
expect.set_options(timeout=1000 * SECONDS)


class Pages:
    """One window on the pages of a server.

    Parameters
    ----------
    page
        Of the browser.
    url
        Where the server is.
    """

    def __init__(self, page, url):
        self.page = page
        self.url = url
        self.errors = []
        page.set_default_timeout(1000 * SECONDS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._console)

    def _console(self, message):
        # What a server that is being restarted does not answer is no error of the page.
        if message.type == "error" and "net::ERR_" not in message.text:
            self.errors.append(message.text)

    def picture(self, name):
        """Write a screenshot to the folder that BROWSER_SCREENSHOTS names, if it does."""
        if os.environ.get("BROWSER_SCREENSHOTS"):
            folder = Path(os.environ["BROWSER_SCREENSHOTS"])
            folder.mkdir(parents=True, exist_ok=True)
            self.page.wait_for_timeout(1500)  # charts and folds move for a moment
            self.page.screenshot(path=folder / f"{name}.png")

    def open(self, path):
        """Open a page of the server."""
        self.page.goto(self.url + path)
        return self.page

    def lineage(self):
        """Click on Lineage and unfold every group; give the names on the assets' boxes.

        Long names are cut in their middle, where the boxes are small. Dagster draws no box
        that is out of sight (and only the groups from far away), so the window is made large
        enough for the whole graph, and the view moves two steps back.
        """
        self.page.set_viewport_size({"width": 2200, "height": 1600})
        self.page.get_by_role("link", name=re.compile("Lineage$")).click()
        # The groups are drawn, folded.
        self.page.locator("[class*=GroupNode]").first.wait_for()
        self.page.keyboard.press("Alt+e")
        boxes = self.page.locator("[class*=AssetNode_assetName], [class*=AssetNode_nameText]")
        boxes.first.wait_for()
        for _ in range(2):
            self.page.locator("button:has([aria-label=zoom_out])").click()
        return boxes

    def materialise(self, asset, months, strategies):
        """Choose partitions in the Materialize dialog and launch them; give where it says to look.

        A run's page for one partition, a backfill's for several.
        """
        self.open(f"/assets/{asset}")
        self.page.get_by_role("button", name=re.compile("Materialize")).first.click()
        dialog = self.page.get_by_role("dialog")
        field = dialog.get_by_placeholder(re.compile("^ex: "))
        field.fill(months)
        field.press("Tab")
        dialog.get_by_text("Select a partition or create one").click()
        for strategy in strategies:
            self.page.get_by_placeholder("Filter partitions").fill(strategy)
            item = self.page.get_by_role("menuitem").filter(
                has=self.page.get_by_title(strategy, exact=True)
            )
            item.click()
        self.page.keyboard.press("Escape")
        dialog.get_by_role("button", name=re.compile("Launch (1 run|backfill)$")).click()
        toast = self.page.get_by_text(re.compile("^(Launched run|Created backfill) "))
        toast.wait_for()
        number = toast.inner_text().split()[2]
        self.page.get_by_text("View", exact=True).first.click()
        self.page.wait_for_url(re.compile(f"/runs/(b/)?{number}"))
        return number

    def partition(self, asset, key):
        """Open the page of a partition; give its right half, with the metadata."""
        self.open(f"/assets/{asset}?view=partitions&partition={key.replace('|', '%7C')}")
        self.page.get_by_text("View all historical events").wait_for()
        return self.page.locator("body")

    def checks(self, asset, check):
        """Open a check of an asset."""
        self.open(f"/assets/{asset}?view=checks&checkDetail={check}")
        self.page.get_by_text("Latest execution").wait_for()
        return self.page.locator("body")

    def launchpad(self, asset, partition, config):
        """Ask for a launch of a partition with a run configuration, in place of what is shown.

        Returns
        -------
        str
            What the form showed before it was filled in.
        """
        self.open(f"/assets/{asset}")
        main = self.page.get_by_role("button", name=re.compile("Materialize")).first
        main.locator("xpath=following::button[1]").click()
        self.page.get_by_role("menuitem", name="Open launchpad").click()
        dialog = self.page.get_by_role("dialog").last
        editor = dialog.locator(".CodeMirror").first
        editor.wait_for()
        shown = editor.evaluate("element => element.CodeMirror.getValue()")
        editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", config)
        dialog.get_by_placeholder("Partition").fill(partition)
        self.page.keyboard.press("Enter")
        self.picture("launchpad")
        dialog.get_by_role("button", name=re.compile("Materialize$")).click()
        return shown
