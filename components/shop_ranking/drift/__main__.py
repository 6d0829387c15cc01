"""Watch weeks from a shell: `python -m components.platform.drift --week 2017-11-20`."""

import argparse
import sys
from datetime import date
from pathlib import Path

from components.platform import tracking
from components.platform.drift.alert import raise_alarm
from components.platform.drift.monitoring import alarms, run
from components.platform.errors import ShopError
from components.platform.feedback.served_events import LABELLED, snapshot
from components.platform.files import scratch_folder
from components.platform.registry.policy import load_policy
from components.shop_ranking.application import SHOP_RANKING, TABLES
from components.shop_ranking.params import load_params


def main() -> int:
    """Judge the weeks that were asked for; 0 without an alarm, 2 with one, 1 for an error."""
    parser = argparse.ArgumentParser(prog="python -m components.platform.drift")
    parser.add_argument("--week", type=date.fromisoformat, help="any day of the week")
    parser.add_argument("--all", action="store_true", help="every complete week")
    parser.add_argument("--tables", type=Path, default=TABLES, help="folder of the tables")
    parser.add_argument("--feedback", help="folder or s3:prefix of fed back partitions")
    parser.add_argument("--no-champion", action="store_true", help="watch the data alone")
    given = parser.parse_args()
    weeks = [] if given.all else [given.week] if given.week else None
    try:
        champion = None
        if not given.no_champion:
            policy = load_policy(SHOP_RANKING)
            champion = tracking.version_at(policy.leading, policy.aliases.champion)
        with scratch_folder() as scratch:
            feedback = scratch if given.feedback else None
            if feedback:
                snapshot(given.feedback, feedback)
                snapshot(given.feedback, feedback, LABELLED)
            judged = run(
                load_params(),
                tables=given.tables,
                feedback=feedback,
                champion=champion,
                weeks=weeks,
            )
        found = alarms(judged)
        raise_alarm(found)
    except ShopError as error:
        print(error, file=sys.stderr)
        return 1
    return 2 if found else 0


sys.exit(main())
