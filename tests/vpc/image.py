"""A stock Debian 13, as a cloud would start it: no package of a node's, no setting of ours."""

import shlex
from pathlib import Path

from providers.local.guest import Bootable
from tests import debian_image

PACKAGES, NETPLAN = (Path(__file__).parent / name for name in ("packages", "90-default.yaml"))
HOOKS = (
    f"copy-in {shlex.quote(str(NETPLAN))} /etc/netplan",
    'chmod 600 "$1"/etc/netplan/*',
    'rm -f "$1"/etc/ssh/ssh_host_*',  # a machine makes its own at its first boot
)


def stock(*agents: str) -> Bootable:
    """The image with the packages of what a cloud has in it beside (cloud-init, or an agent of its own)."""
    return debian_image.cached([*debian_image.listed(PACKAGES), *agents], HOOKS)
