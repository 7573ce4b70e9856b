"""The steps of the ready-made pipelines, run for real: in a scratch git repository, as both systems would run them."""

from pathlib import Path

PIPELINES = Path(__file__).parents[2] / "examples" / "pipelines"
STEPS = PIPELINES / "steps"
