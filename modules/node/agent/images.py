"""Images: each is in the runtimes that need it, by content, before anything is replaced."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from agent.docker import Docker
from agent.host import NodeError, run, wait

CTR = ("ctr", "--namespace", "k8s.io")
CRI_SECONDS = 15
LOADERS = {"docker": ("docker", "load", "--quiet"), "containerd": (*CTR, "images", "import", "-")}


def ensure(release: Mapping[str, Any], names: Iterable[str]) -> None:
    """Have every image of `names` in its runtimes; what is there already is not fetched."""
    wanted = [release["images"][name] for name in names]
    pods: set[str] = set()
    if any("containerd" in image["runtimes"] for image in wanted):
        pods = _pods()
    for image in wanted:
        if "docker" in image["runtimes"] and Docker().image_id(image["ref"]) != image["id"]:
            _bring(release, image, "docker")
            if Docker().image_id(image["ref"]) != image["id"]:
                raise NodeError(f"image {image['ref']} is not {image['id']}")
        if "containerd" in image["runtimes"] and not _has(pods, image):
            _bring(release, image, "containerd")
            _await(image)


def _pods() -> set[str]:
    return set(run(*CTR, "images", "ls", "--quiet").split())


def _await(image: Mapping[str, Any]) -> None:
    """Wait until containerd's CRI, which hears of an import a moment later, knows the image by its content."""
    try:
        wait(image["ref"], lambda: _has(_pods(), image), CRI_SECONDS)
    except NodeError:
        raise NodeError(f"image {image['ref']} is not {image['id']}") from None


def _has(pods: set[str], image: Mapping[str, Any]) -> bool:
    # containerd's CRI names each image also by the digest of its configuration.
    return image["id"] in pods and any(name.endswith(image["ref"]) for name in pods)


def _bring(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> None:
    if release["registry"]:
        return _pull(release["registry"], image, runtime)
    with subprocess.Popen(["anywhere-fetch", f"images/{image['archive']}.tar"], stdout=subprocess.PIPE) as source:
        # Leaving closes the pipe, so that where loading fails early the fetch ends too instead of waiting for ever.
        loaded = subprocess.run(LOADERS[runtime], stdin=source.stdout, capture_output=True, check=False)
    if loaded.returncode or source.returncode:
        fetched = "its archive could not be fetched whole" if source.returncode else "its archive was fetched"
        said = loaded.stderr.decode(errors="replace").strip()[-300:]
        raise NodeError(f"image {image['ref']}: {fetched}; {runtime} said: {said}")
    return None


def _pull(registry: str, image: Mapping[str, Any], runtime: str) -> None:
    mirrored = f"{registry}/{image['ref'].split('/', 1)[1]}"
    if runtime == "docker":
        run("docker", "pull", "--quiet", mirrored)
        run("docker", "tag", mirrored, image["ref"])
    else:
        run(*CTR, "images", "pull", mirrored)
        run(*CTR, "images", "tag", "--force", mirrored, image["ref"])
