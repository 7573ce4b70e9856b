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
    assert len(gzip.compress(data)) < 4400


@pytest.mark.parametrize("role", GROUPS)
def test_only_the_targets_scripts_and_the_metadata_address_differ(role):
    rest = set()
    for target in TARGETS:
        text = user_data(target, role).decode()
        scripts = [(MODULES / target / name).read_text().rstrip() for name in ("anywhere-target", "anywhere-fetch")]
        # As a YAML block scalar has them: empty lines stay empty.
        own = [re.sub(r"\n(?=.)", "\n      ", script) for script in scripts]
        own.append(f"ANYWHERE_METADATA={(MODULES / target / 'metadata').read_text().strip()}\n")
        for part in own:
            assert text.count(part) == 1
            text = text.replace(part, "")
        rest.add(text)
    assert len(rest) == 1
