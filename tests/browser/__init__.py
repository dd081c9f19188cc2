"""`make ui` in a real browser: what a person sees, and what then lies in the data folder."""
