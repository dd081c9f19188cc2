"""Feeds: every form a price file may have, and every way it may be wrong."""
