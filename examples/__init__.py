"""What to begin with: definitions, pipelines, and an application."""
