"""What is the same everywhere: from one cluster definition to a rendered tree. Knows no cloud SDK."""

__version__ = "0.1.0"  # the one place that says it: pyproject.toml reads it here
