"""What drives the jobs: over bounded history, recorded fills, or live input."""
