"""`python -m components <stage>`: run a stage of dvc.yaml, or a command, in the current folder."""

import sys
from importlib import import_module

from components.applications import read_params, stages
from components.commands import COMMANDS
from components.platform.errors import ParamsError, ShopError
from components.platform.heartbeat import heartbeat

USAGE = """usage: python -m components <stage or command>
stages: {stages}
commands, each with --help: {commands}"""


def main(arguments: list[str]) -> int:
    """Run the named stage or command; return the exit code: 0 done, 2 wrong usage, else its own."""
    command = bool(arguments) and arguments[0] in COMMANDS
    if not command and (len(arguments) != 1 or arguments[0] in {"-h", "--help"}):
        print(
            USAGE.format(stages=", ".join(stages()), commands=", ".join(COMMANDS)), file=sys.stderr
        )
        return 0 if arguments and arguments[0] in {"-h", "--help"} else 2
    try:
        if command:
            module = import_module(f"components.commands.{arguments[0]}")
            return int(module.main(arguments[1:]))
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
        params = read_params(application)
        with heartbeat(name):
            stage.run(params)
        return 0
    from components.platform.training import processes

    count = processes.wanted()
    if count > 1:
        return processes.launch([name], count)
    with processes.joined():
        params = read_params(application)
        with heartbeat(name):
            stage.run(params)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
