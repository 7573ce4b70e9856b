"""Container images: which a cluster needs, and how each is had without a Docker daemon."""

from __future__ import annotations

from generator.definition import VERSION


def missing(driver: str, kubernetes: str = VERSION, arch: str = "amd64") -> list[str]:
    """The references of a cluster's images of `arch` that this computer neither has nor can make or pull.

    Quick: nothing is fetched or built.
    """
    from generator import directories
    from generator.images import cache, catalog

    wanted = catalog.wanted(kubernetes, driver, arch)
    return [each.ref for each in wanted if not cache.available(each, directories.archives(), directories.cache())]
