"""Bring partitions of feedback up to date: `python -m components feedback --day 2017-11-05`."""

import argparse
from datetime import date
from pathlib import Path

from components.applications import APPLICATIONS
from components.champions import feedback_params
from components.platform.feedback.ingestion import run
from components.platform.feedback.partitions import publish_items
from components.platform.files import read_table


def main(arguments: list[str]) -> int:
    """Write the partitions; return 0.

    Raises:
        ShopError: a table, params or S3 cannot be read.

    """
    parser = argparse.ArgumentParser(prog="python -m components feedback")
    parser.add_argument("--day", type=date.fromisoformat, help="write this day's partition too")
    parser.add_argument("--items", type=Path, help="first say which items there are: a table")
    names = [owner.name for owner in APPLICATIONS]
    parser.add_argument("--application", choices=names, help="whose items these are")
    asked = parser.parse_args(arguments)
    if (asked.items is None) != (asked.application is None):
        parser.error("--items and --application go together")
    if asked.items:
        publish_items(asked.application, read_table(asked.items, ["item_id"]))
    run(feedback_params(), asked.day)
    return 0
