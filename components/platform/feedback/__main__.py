"""`python -m components.platform.feedback [--day 2017-11-05]`: bring partitions up to date."""

import argparse
import sys
from datetime import date
from pathlib import Path

from components.platform.errors import ShopError
from components.platform.feedback.ingestion import run
from components.platform.feedback.partitions import publish_items
from components.platform.files import read_table
from components.shop_ranking.params import load_params


def main(arguments: list[str]) -> int:
    """Return the exit code: 0 done, 1 a named error."""
    parser = argparse.ArgumentParser(prog="components.platform.feedback", description=__doc__)
    parser.add_argument("--day", type=date.fromisoformat, help="write this day's partition too")
    parser.add_argument(
        "--products", type=Path, help="first say which items there are: products.parquet"
    )
    asked = parser.parse_args(arguments)
    try:
        if asked.products:
            publish_items(read_table(asked.products, ["item_id"]))
        run(load_params(), asked.day)
    except ShopError as error:
        print(f"feedback_ingestion: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
