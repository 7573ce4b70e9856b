"""What a user waits for, measured. Nothing here passes or fails; `python -m benchmarks` prints a table."""
