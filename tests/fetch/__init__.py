"""`anywhere-fetch` of each cloud run as it is, in a network of its own where the cloud's addresses are ours."""

import pytest

pytest.register_assert_rewrite("tests.fetch.machine")
