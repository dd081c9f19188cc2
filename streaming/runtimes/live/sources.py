"""The live engine's feed, as the settings have it."""

from pathlib import Path

from streaming.errors import RunError, SettingsError
from streaming.feeds.feed import Feed
from streaming.feeds.inbox_feed import InboxFeed
from streaming.feeds.reading_rules import read_rules
from streaming.feeds.replay import LakeReplay
from streaming.feeds.socket_feed import SocketFeed
from streaming.lake import Lake
from streaming.settings import Settings


def feed_of(settings: Settings, folder: Path, lake: Lake, start: int | None, *, end: bool) -> Feed:
    """Give the feed that `live.feed` names.

    Parameters
    ----------
    folder
        The data folder.
    lake, start
        What a replay plays, and after what time: microseconds UTC.
    end
        Whether the feed is to end where its input does for now.

    Raises
    ------
    RunError
        If there is nothing to replay.
    SettingsError
        If the feed lacks a setting, or an inbox's `reading.toml` makes no sense.
    """
    if settings.live.feed == "inbox":
        inbox = settings.feeds.inbox
        root = inbox.folder_in(folder)
        rules = read_rules(root / "bars")
        return InboxFeed(
            root,
            reading_of=rules.reading_of,
            settle_seconds=inbox.settle_seconds,
            follow=not end,
        )
    if settings.live.feed == "socket":
        url = settings.feeds.socket.url
        if url is None:
            raise SettingsError("live.feed = 'socket': needs the server's feeds.socket.url.")
        return SocketFeed(url, follow=not end)
    if not lake.days():
        raise RunError(f"{lake.root}: has no prices. Import some with `trading import`.")
    return LakeReplay(lake, None, start, None, settings.live.market_seconds)
