"""The panel of all symbols against the per-symbol code."""
