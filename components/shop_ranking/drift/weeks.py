"""The weekly statistics of shop ranking: its rows, and what the champion makes of them."""

from components.platform.application import DriftInput
from components.platform.drift.weekly import Weekly
from components.shop_ranking.drift.predictions import (
    champion_statistics,
    online_statistics,
    read_champion,
)
from components.shop_ranking.drift.rows import data_quality_statistics, input_statistics, read_rows


def weekly_statistics(given: DriftInput) -> Weekly:
    """Return every statistic of every complete week.

    Raises:
        DataError: a table is absent, the time zone is unknown, or no week is complete.
        RegistryError: the registry cannot hand the champion out.

    """
    params = given.params.drift
    rows = read_rows(given.tables, given.feedback, params.timezone)
    statistics = [
        *input_statistics(rows, params),
        *data_quality_statistics(rows),
        *online_statistics(rows, params),
    ]
    if given.champion is None:
        return Weekly(rows.weeks, statistics)
    champion = read_champion(given.champion, given.cache)
    statistics += champion_statistics(rows, champion, params)
    return Weekly(rows.weeks, statistics, champion.day, champion.name)
