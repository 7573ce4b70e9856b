"""A rollout to many workers, on this computer: real etcd, API server, controller and turns; machines that only wait."""

import sys
from pathlib import Path

# The agent is imported as machines import it.
sys.path.insert(0, str(Path(__file__).parents[2] / "modules" / "node"))
