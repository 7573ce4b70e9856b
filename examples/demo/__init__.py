"""The demo application: its images, how they reach a cluster, and a request through all of its services."""
