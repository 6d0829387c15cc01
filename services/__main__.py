"""`python -m services up|down|status|env|demo`: the platform's processes on this machine."""

import shlex
import sys

from components.errors import ShopError
from services import lifecycle
from services.settings import ServiceSettings, service_settings

USAGE = """usage: python -m services COMMAND

  up      start the services and wait until they are healthy
  down    stop them, and every process they started
  status  show their states and addresses
  env     print shell exports with which DVC, MLflow and the stages reach them
  demo    start them, train on the default dataset, show the leaderboard"""


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code: 0 done, 1 a named error, 2 wrong usage."""
    if len(arguments) != 1 or arguments[0] not in {"up", "down", "status", "env", "demo"}:
        asked = arguments[:1] in (["-h"], ["--help"])
        print(USAGE, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        return _run(arguments[0], service_settings())
    except ShopError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def _run(command: str, settings: ServiceSettings) -> int:
    if command == "up":
        lifecycle.up(settings)
    elif command == "down":
        lifecycle.down(settings)
    elif command == "status":
        return 0 if lifecycle.status(settings) else 1
    elif command == "env":
        for name, value in lifecycle.environment(settings).items():
            print(f"export {name}={shlex.quote(value)}")
    else:
        from services.demo import demo  # rich and the stages' own code are not needed to stop

        return demo(settings)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
