"""Checks of a preflight, as tests look at them."""


def failing(checks):
    """Those that failed. Nothing goes on with one that was seen to fail; what may not be seen is a warning."""
    for check in checks.values():
        assert check.needed == (not check.ok and not check.detail.startswith("AWS denies"))
    return {subject: (check.detail, check.hint) for subject, check in checks.items() if not check.ok}
