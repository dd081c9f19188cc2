"""The lake: whole or absent files, merging, reading, damage, many writers."""
