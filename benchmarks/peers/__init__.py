"""The peers, one per file; each runs in its own environment as `python -m benchmarks.peers.X`."""
