"""User-data is the same on every target, but for how documents are fetched; and it is small."""

import gzip
import re

import pytest

from generator import node
from tests.fetch.machine import MODULES

TARGETS = sorted(path.parent.name for path in MODULES.glob("*/anywhere-fetch"))
GROUPS = {"etcd": "etcd", "master": "master", "worker": f"worker-{'x' * 20}"}
SSH_KEYS = [f"ssh-ed25519 {'A' * 68} someone@example.com"] * 3


def user_data(target, role):
    return node.user_data(target, role, GROUPS[role], SSH_KEYS)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("role", GROUPS)
def test_size(target, role):
    assert {"aws", "gce", "local"} <= set(TARGETS)
    data = user_data(target, role)
    assert len(data) < 16_384
    assert len(gzip.compress(data)) < 4096


@pytest.mark.parametrize("role", GROUPS)
def test_only_the_fetch_script_and_the_metadata_address_differ(role):
    rest = set()
    for target in TARGETS:
        text = user_data(target, role).decode()
        script = (MODULES / target / "anywhere-fetch").read_text().rstrip()
        block = re.sub(r"\n(?=.)", "\n      ", script)  # as a YAML block scalar has it: empty lines stay empty
        address = f"ANYWHERE_METADATA={(MODULES / target / 'metadata').read_text().strip()}\n"
        assert text.count(block) == text.count(address) == 1
        rest.add(text.replace(block, "").replace(address, ""))
    assert len(rest) == 1
