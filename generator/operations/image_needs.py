"""What a computer needs to have the images of a cluster: they are on it, or it can get and build them."""

from __future__ import annotations

from generator.directories import archives, cache
from generator.errors import UserError
from generator.images import cache as image_cache
from generator.operations import lock_file
from generator.operations.project import Project
from providers import Check


def check(project: Project) -> Check:
    """Whether an apply would have all images: the first one that this computer can neither find nor make fails."""
    images = lock_file.images(project)
    lacking = [each for each in images if image_cache.held(each, archives(), cache()) is None]
    for each in lacking:
        try:
            image_cache.check(each)
        except UserError as error:
            detail = f"{each.title} is not on this computer, and cannot be made: {error.message.rstrip('.')}"
            return Check("container images", False, detail, error.hint, needed=True)
    if lacking:
        return Check("container images", True, f"apply gets or builds {len(lacking)} of {len(images)}")
    return Check("container images", True, f"all {len(images)} are on this computer")
