"""A cloud's network on this machine, with real virtual machines on it.

Each has one network card, finds the metadata service and the cloud's services where the cloud has them, and reaches
nothing else.
"""
