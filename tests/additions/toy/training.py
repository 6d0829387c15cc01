"""The one stage: learn to greet, and register the greeter."""

from pathlib import Path

from components.toy.application import TOY, Params

from components.platform import tracking
from components.platform.application import Run
from components.platform.files import atomic_folder, scratch_folder, write_json
from components.platform.registry.policy import load_policy
from components.platform.registry.registering import register


def run(params: Params, *, model: Path, verdict: Path) -> None:
    """Write the greeter to `model` and the gate's verdict to `verdict`."""
    with atomic_folder(model) as folder:
        write_json({"warmth": params.toy.warmth}, folder / "greeter.json")
    with tracking.stage_run("toy_training", params), scratch_folder() as scratch:
        outcome = register(TOY, Run(params, {"model": model}, scratch), load_policy(TOY))
    write_json(outcome, verdict)
