"""What can only be tried where containers can be made; elsewhere these tests are skipped, and say why."""

import pytest

from providers.local.container import fit, root


def pytest_collection_modifyitems(items):
    if not root.permitted():
        reason = "machines as containers need root"
    elif obstacles := fit.obstacles():
        reason = f"{obstacles[0].subject}: {obstacles[0].detail}"
    else:
        return
    for item in items:
        if item.get_closest_marker("container"):
            item.add_marker(pytest.mark.skip(reason=reason))
