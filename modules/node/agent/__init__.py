"""What a machine runs to become and stay what its release says. Python's standard library only."""
