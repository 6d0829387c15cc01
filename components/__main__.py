"""`python -m components <stage>`: run one stage of dvc.yaml in the current folder."""

import sys

from components.applications import read_params, stages
from components.platform.errors import ParamsError, ShopError


def main(arguments: list[str]) -> int:
    """Run the named stage; return the exit code: 0 done, 2 wrong usage, else the error's own."""
    if len(arguments) != 1 or arguments[0] in {"-h", "--help"}:
        print(
            f"usage: python -m components <stage>\nstages: {', '.join(stages())}", file=sys.stderr
        )
        return 0 if arguments and arguments[0] in {"-h", "--help"} else 2
    try:
        return _run(arguments[0])
    except ShopError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return error.exit_code


def _run(name: str) -> int:
    """Run a stage, in a process a device where it trains so."""
    if name not in stages():
        raise ParamsError(
            f"one of the stages {', '.join(stages())}", repr(name), "name one of them"
        )
    application, stage = stages()[name]
    if not stage.processes:
        stage.run(read_params(application))
        return 0
    from components.platform.training import processes

    count = processes.wanted()
    if count > 1:
        return processes.launch([name], count)
    with processes.joined():
        stage.run(read_params(application))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
