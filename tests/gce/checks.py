"""Checks of a preflight, as tests look at them."""


def refused(found, subject):
    """The check that must have stopped everything."""
    check = found[subject]
    assert (check.ok, check.needed) == (False, True), check
    return check
