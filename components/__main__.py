"""`python -m components <stage>`: run one stage of dvc.yaml in the current folder."""

import sys

from components.platform.errors import ShopError
from components.shop_ranking.params import load_params
from components.shop_ranking.pipeline import STAGES, TRAINED, run_stage


def main(arguments: list[str]) -> int:
    """Run the named stage; return the exit code: 0 done, 2 wrong usage, else the error's own."""
    if len(arguments) != 1 or arguments[0] in {"-h", "--help"}:
        print(f"usage: python -m components <stage>\nstages: {', '.join(STAGES)}", file=sys.stderr)
        return 0 if arguments and arguments[0] in {"-h", "--help"} else 2
    try:
        if arguments[0] in TRAINED:
            return _trained(arguments[0])
        run_stage(arguments[0], load_params())
    except ShopError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _trained(stage: str) -> int:
    """Run a stage that may have a process a device."""
    from components.platform.training import processes

    count = processes.wanted()
    if count > 1:
        return processes.launch([stage], count)
    with processes.joined():
        run_stage(stage, load_params())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
