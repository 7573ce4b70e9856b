"""References of container images, as `docker run` and pods take them. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection

LONGEST_TAG = 115  # characters: a registry takes 128, and what pods call an image adds 13 to its tag
_FORM = re.compile(
    r"([A-Za-z0-9.-]+(:[0-9]{1,5})?/)?[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*"
    rf"(:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,{LONGEST_TAG - 1}}})?(@sha256:[0-9a-f]{{64}})?"
)


def is_reference(text: str) -> bool:
    """Whether `text` is a reference of an image."""
    return len(text) < 400 and bool(_FORM.fullmatch(text))


def canonical(ref: str) -> str:
    """A reference in full, as Docker understands it: `rajchaudhuri/weave:1` -> `docker.io/rajchaudhuri/weave:1`."""
    first, slash, _ = ref.partition("/")
    if not slash:
        ref = f"docker.io/library/{ref}"
    elif not ("." in first or ":" in first or first == "localhost"):
        ref = f"docker.io/{ref}"
    return ref if ":" in ref.rsplit("/", 1)[1] else f"{ref}:latest"


def repository(ref: str) -> str:
    """A reference in full, without its tag and its digest."""
    before, _, last = ref.partition("@")[0].rpartition("/")
    return f"{before}/{last.partition(':')[0]}"


def digest(ref: str) -> str:
    """The digest (`sha256:...`) that a reference has, "" for none."""
    return ref.partition("@")[2]


def image_name(ref: str) -> str:
    """A reference in full that has a tag: a digest is written as one, as archives and containerd want."""
    full, of_content = canonical(ref), digest(ref)
    return f"{repository(full)}:{of_content.replace(':', '-')}" if of_content else full


def is_from(ref: str, registries: Collection[str]) -> bool:
    """Whether an image is of one of these registries."""
    return any(ref.startswith(f"{registry}/") for registry in registries)
