"""Images: each is in the runtimes that need it, by content, before anything is replaced.

Docker runs an image by its id. Pods name theirs, so in containerd each image has a name that holds a part of its digest
and is never given to another: `pod_ref`. One whose content changed is another image to Kubernetes, and pods follow.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Mapping
from typing import Any

from agent import leftovers
from agent.docker import Docker
from agent.files import write
from agent.host import RUN, NodeError, run, wait

CTR = ("ctr", "--namespace", "k8s.io")
CRI_SECONDS = 15
REFUSED_SECONDS = 1800
LOADERS = {"docker": ("docker", "load", "--quiet"), "containerd": (*CTR, "images", "import", "-")}


def ensure(release: Mapping[str, Any], names: Iterable[str]) -> None:
    """Have every image of `names` in its runtimes; what is there already is not fetched."""
    wanted = [release["images"][name] for name in names]
    for image in wanted:
        if "docker" in image["runtimes"] and Docker().image_id(image["ref"]) != image["id"]:
            _once(release, image, "docker")
    if any("containerd" in image["runtimes"] for image in wanted):
        pods = _pods()
        for image in wanted:
            if "containerd" in image["runtimes"]:
                _ensure_pods(release, image, pods)
    leftovers.note(wanted)


def _ensure_pods(release: Mapping[str, Any], image: Mapping[str, Any], pods: set[str]) -> None:
    """Have an image in containerd, under its `ref` and its `pod_ref`; `pods` is what is there."""
    if image["id"] not in pods:
        _once(release, image, "containerd")
        pods |= _pods()
    if image["pod_ref"] not in pods:
        run(*CTR, "images", "tag", image["id"], image["pod_ref"])
    # containerd's own configuration names the image of sandboxes by its tag, which moves with the release.
    if image["ref"] not in pods or leftovers.last(image["ref"]) != image["id"]:
        run(*CTR, "images", "tag", "--force", image["id"], image["ref"])


def _pods() -> set[str]:
    """The images of containerd: its CRI names each one also by the digest of its configuration, which is its id."""
    return set(run(*CTR, "images", "ls", "--quiet").split())


def _once(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> None:
    """Bring an image. One that turns out to be another is not brought again for a while; NodeError says which it is."""
    refused = RUN / f"refused-{runtime}-{image['archive'][:12]}"
    left = REFUSED_SECONDS - (time.monotonic() - float(refused.read_text())) if refused.exists() else 0
    problem = f"image {image['ref']}: what the store gives is not {image['id']} to {runtime}"
    if left > 0:
        raise NodeError(f"{problem}; tried again in {left / 60:.0f} minutes")
    _bring(release, image, runtime)
    os.sync()  # neither runtime does, and what they recorded would outlive a power cut that the layers do not
    if not _arrived(release, image, runtime):
        write(refused, str(time.monotonic()))
        raise NodeError(f"{problem}; refresh the lock and apply it")


def _arrived(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> bool:
    """Whether a runtime has, by its content, the image that was brought; containerd's CRI knows it a moment later."""
    if runtime == "docker":
        return bool(Docker().image_id(image["ref"]) == image["id"])
    try:
        # The CRI marks a name as seen, and would not look at the other image that the name may be given by now.
        run(*CTR, "images", "label", _mirrored(release["registry"], image), "io.cri-containerd.image=")
        wait(image["ref"], lambda: image["id"] in _pods(), CRI_SECONDS)
    except NodeError:
        return False
    return True


def _bring(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> None:
    if release["registry"]:
        return _pull(release["registry"], image, runtime)
    command = ["anywhere-fetch", f"images/{image['archive']}.tar"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as source:
        # Leaving closes the pipe, so that where loading fails early the fetch ends too instead of waiting for ever.
        loaded = subprocess.run(LOADERS[runtime], stdin=source.stdout, capture_output=True, check=False)
        words = ""
        if source.stdout and source.stderr:
            source.stdout.close()
            words = source.stderr.read().decode(errors="replace").strip()[-300:]
    if loaded.returncode or source.returncode:
        fetched = f"its archive could not be fetched whole: {words}" if source.returncode else "its archive was fetched"
        said = loaded.stderr.decode(errors="replace").strip()[-300:]
        raise NodeError(f"image {image['ref']}: {fetched}; {runtime} said: {said}")
    return None


def _mirrored(registry: str | None, image: Mapping[str, Any]) -> str:
    """What an image is called in the registry; its own name where machines are handed archives."""
    return f"{registry}/{image['ref'].partition('/')[2]}" if registry else str(image["ref"])


def _pull(registry: str, image: Mapping[str, Any], runtime: str) -> None:
    mirrored = _mirrored(registry, image)
    if runtime == "docker":
        run("docker", "pull", "--quiet", mirrored)
        run("docker", "tag", mirrored, image["ref"])
    else:
        run(*CTR, "images", "pull", mirrored)
