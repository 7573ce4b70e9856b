"""What the verbs of the command line share, one noun a file. Prints nothing and never exits: `generator.cli` does."""
