"""What is the same everywhere: from one cluster definition to a rendered tree. Knows no cloud SDK."""
