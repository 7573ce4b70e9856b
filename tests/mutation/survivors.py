"""Mutants that may survive: by module and by what they lack, why no test has to notice."""

REASONS: dict[str, dict[str, str]] = {
    "modules/node/agent/turns/control_plane.py": {
        "thread.join()": "the thread ends anyway; a renewal that comes late finds no lease",
    },
}
