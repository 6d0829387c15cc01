"""What an application hands to drift monitoring: its statistics of every complete week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from components.platform.drift.statistics import Statistic


@dataclass(frozen=True)
class Weekly:
    """Statistics over the same weeks; each has a row a week."""

    weeks: Sequence[date]  # Mondays, ascending
    statistics: Sequence[Statistic]
    champion_day: date | None = None  # the champion was trained on what was before
    champion: str = "none"  # its name and version, e.g. greeter/3
