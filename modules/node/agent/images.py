"""Images: load what the release needs into each runtime, identified by content, before anything is replaced.

Docker runs an image by its id, but pods refer to theirs by name. In containerd each image therefore has a name that
contains a part of its digest and is never reused: `pod_ref`. To Kubernetes, changed content is another image.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agent import containerd, leftovers, registry
from agent.docker import Docker
from agent.files import write
from agent.host import RUN, NodeError, run, wait

CRI_SECONDS = 15
REFUSED_SECONDS = 1800


def ensure(release: Mapping[str, Any], names: Iterable[str]) -> None:
    """Load those of `names` that Docker runs, unless they are already there."""
    registry.trust(release)
    for image in _of(release, names, "docker"):
        if Docker().image_id(image["ref"]) != image["id"]:
            _once(release, image, "docker")


def ensure_for_pods(release: Mapping[str, Any], names: Iterable[str]) -> None:
    """Load those of `names` that pods run into containerd, which Docker has the image of, unless they are there."""
    if wanted := _of(release, names, "containerd"):
        registry.reach(release)
        containerd.ensure(release["images"]["containerd"])
        pods = _pods()
        for image in wanted:
            _ensure_pods(release, image, pods)
    leftovers.note([release["images"][name] for name in names])


def _of(release: Mapping[str, Any], names: Iterable[str], runtime: str) -> list[Mapping[str, Any]]:
    """Those of the images that are for this runtime."""
    images = (release["images"][name] for name in names)
    return [image for image in images if runtime in image["runtimes"]]


def _ensure_pods(release: Mapping[str, Any], image: Mapping[str, Any], pods: set[str]) -> None:
    """Load an image into containerd as `ref` and `pod_ref`; `pods` are the images that containerd has."""
    if image["id"] not in pods:
        _once(release, image, "containerd")
        pods |= _pods()
    names = [] if image["pod_ref"] in pods else [image["pod_ref"]]
    # containerd's configuration names the sandbox image by its tag, which must therefore follow the release.
    if image["ref"] not in pods or leftovers.last(image["ref"]) != image["id"]:
        names.append(image["ref"])
    if names:
        containerd.ctr("images", "tag", "--force", image["id"], *names)


def _pods() -> set[str]:
    """The names of containerd's images. Its CRI also names each by its id, the digest of its configuration."""
    return set(containerd.ctr("images", "ls", "--quiet").split())


def _once(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> None:
    """Load an image. If the store has another under its name, fail, and do not load that again for a while."""
    refused = RUN / f"refused-{runtime}-{image['archive'][:12]}"
    left = REFUSED_SECONDS - (time.monotonic() - float(refused.read_text())) if refused.exists() else 0
    problem = f"image {image['ref']}: the image that the store has is not {image['id']} to {runtime}"
    if left > 0:
        raise NodeError(f"{problem}; next attempt in {left / 60:.0f} minutes")
    _bring(release, image, runtime)
    os.sync()  # neither runtime does: after a power cut the image would be listed, but its files could be empty
    if not _arrived(release, image, runtime):
        write(refused, str(time.monotonic()))
        raise NodeError(f"{problem}; refresh the lock and apply it")


def _arrived(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> bool:
    """Whether a runtime has the image that was loaded, by content; containerd's CRI needs a moment to notice it."""
    if runtime == "docker":
        return bool(Docker().image_id(image["ref"]) == image["id"])
    try:
        # The CRI labels a name once it has read its image, and would not read another that the name now refers to.
        containerd.ctr("images", "label", _mirrored(release["registry"], image), "io.cri-containerd.image=")
        wait(image["ref"], lambda: image["id"] in _pods(), CRI_SECONDS)
    except NodeError:
        return False
    return True


def _bring(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> None:
    if release["registry"]:
        _pull(release, image, runtime)
    else:
        _load(["anywhere-fetch", f"images/{image['archive']}.tar"], image, runtime)


def _load(command: Sequence[str], image: Mapping[str, Any], runtime: str) -> None:
    """Load the archive that `command` writes."""
    loader = ("docker", "load", "--quiet") if runtime == "docker" else containerd.command("images", "import", "-")
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as source:
        # Leaving closes the pipe, so that the fetch ends too if loading fails early.
        loaded = subprocess.run(loader, stdin=source.stdout, capture_output=True, check=False)
        reason = ""
        if source.stdout and source.stderr:
            source.stdout.close()
            reason = source.stderr.read().decode(errors="replace").strip()[-300:]
    if loaded.returncode or source.returncode:
        fetched = (
            f"its archive could not be fetched completely: {reason}" if source.returncode else "its archive was fetched"
        )
        output = loaded.stderr.decode(errors="replace").strip()[-300:]
        raise NodeError(f"image {image['ref']}: {fetched}; output of {runtime}: {output}")


def _mirrored(registry: str | None, image: Mapping[str, Any]) -> str:
    """The name of an image in the registry, if there is one; else its own."""
    return f"{registry}/{image['ref'].partition('/')[2]}" if registry else str(image["ref"])


def _pull(release: Mapping[str, Any], image: Mapping[str, Any], runtime: str) -> None:
    """Pull an image with Docker; one of pods goes on to containerd. The registry's name for it does not stay."""
    mirrored = _mirrored(release["registry"], image)
    registry.pull(release, mirrored)
    if runtime == "docker":
        run("docker", "tag", mirrored, image["ref"])
    else:
        _load(["docker", "save", mirrored], image, runtime)
    run("docker", "rmi", mirrored)
