"""Which days of feedback are the latest: counted from the last one on which anything was shown.

A day without events has an empty partition. In a replay of the past such days are the newest ones:
those on which the nightly DAG ran.
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import TypeVar

import pandas as pd
import pyarrow as pa

T = TypeVar("T", pa.Table, pd.DataFrame)


def latest_shown(days: Iterable[date], read: Callable[[date], T], most: int) -> dict[date, T]:
    """Return what `read` says of days on which anything was shown, newest first.

    Args:
        days: that have a partition.
        read: a table of what was shown on a day; without rows where that is nothing. Called for no
            day before the window.
        most: days of the window, which ends with the last day on which anything was shown.

    """
    latest: dict[date, T] = {}
    for day in sorted(days, reverse=True):
        if latest and day <= max(latest) - timedelta(days=most):
            break
        table = read(day)
        if len(table):
            latest[day] = table
    return latest
