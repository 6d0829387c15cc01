"""`python -m components <stage>`: run one stage of dvc.yaml in the current folder."""

import sys

from components.errors import ShopError
from components.params import load_params
from components.pipeline import STAGES, run_stage


def main(arguments: list[str]) -> int:
    """Run the named stage; return the exit code: 0 done, 1 a named error, 2 wrong usage."""
    if len(arguments) != 1 or arguments[0] in {"-h", "--help"}:
        print(f"usage: python -m components <stage>\nstages: {', '.join(STAGES)}", file=sys.stderr)
        return 0 if arguments and arguments[0] in {"-h", "--help"} else 2
    try:
        run_stage(arguments[0], load_params())
    except ShopError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
