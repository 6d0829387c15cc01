"""`python -m services up|down|status|env|replay|demo`: the platform's processes on this machine."""

import json
import shlex
import sys
from typing import Any

from components.platform.errors import ServiceError, ShopError
from services import lifecycle
from services.settings import service_settings

USAGE = """usage: python -m services COMMAND

  up      start the services and wait until they are healthy
  down    stop them, and every process they started
  status  show their states and addresses
  env     print shell exports with which dvc, mlflow and the stages are found and reach them
  replay [--from-day 2017-11-23] [--shoppers 0.1] ...
          replay past visits against the running server; replay --help shows all options
  demo [JSON]
          start them, train, show the leaderboard; JSON is the run's configuration, by default
          {}: params.yaml as it is. Example: '{"data.dataset": "simulated-shop"}'"""
COMMANDS = ("up", "down", "status", "env", "replay", "demo")


def main(arguments: list[str]) -> int:
    """Run one command; return the exit code: 0 done, 1 a named error, 2 wrong usage."""
    most = {"demo": 2, "replay": sys.maxsize}.get(arguments[0] if arguments else "", 1)
    if not 1 <= len(arguments) <= most or arguments[0] not in COMMANDS:
        asked = arguments[:1] in (["-h"], ["--help"])
        print(USAGE, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        return _run(*arguments)
    except ShopError as error:
        print(f"{arguments[0]}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


def _run(command: str, *more: str) -> int:
    settings = lifecycle.as_running(service_settings())
    if command == "up":
        lifecycle.up(settings)
    elif command == "down":
        lifecycle.down(settings)
    elif command == "status":
        return 0 if lifecycle.status(settings) else 1
    elif command == "env":
        for name, value in lifecycle.environment(settings).items():
            print(f"export {name}={shlex.quote(value)}")
    elif command == "replay":
        from services.replay.command import replay
        from services.replay.settings import replay_settings

        replay(settings, replay_settings(more))
    else:
        from services.demo import demo  # rich and the stages' own code are not needed to stop

        return demo(settings, _object(*more or ("{}",)))
    return 0


def _object(text: str) -> dict[str, Any]:
    try:
        conf = json.loads(text)
    except json.JSONDecodeError as error:
        raise ServiceError("JSON behind `demo`", str(error), "quote it for the shell") from error
    if not isinstance(conf, dict):
        raise ServiceError("a JSON object behind `demo`", text, "see `python -m services --help`")
    return conf


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
