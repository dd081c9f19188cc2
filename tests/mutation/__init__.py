"""Mutation testing of the rules that decide money: see `python -m tests.mutation --help`."""
