"""Container images: which a cluster needs, and how each is had without a Docker daemon."""
