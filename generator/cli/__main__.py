"""`python -m generator.cli` is `anywhere`."""

from generator.cli import main

main()
