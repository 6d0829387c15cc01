"""What the gate judges of a greeter, and what drift watches."""

import json
from datetime import date

import numpy as np
import pandas as pd

from components.platform.application import DriftInput, Run
from components.platform.drift.statistics import Share
from components.platform.drift.weekly import Weekly
from components.platform.gate.measured import Comparisons, Measured

GUESTS = [f"guest-{number}" for number in range(40)]
SILENCE = 0.4


def comparisons(run: Run) -> Comparisons:
    """Return how warm guests found the greeter, and silence."""
    warmth = json.loads((run.paths["model"] / "greeter.json").read_text())["warmth"]
    return Comparisons(
        challenger=_measured("toy", warmth),
        baselines=(_measured("silence", SILENCE),),
        comparable=("dataset",),
    )


def _measured(name: str, warmth: float) -> Measured:
    noise = np.linspace(-0.01, 0.01, len(GUESTS))
    return Measured(name, {"warmth/all": pd.Series(warmth + noise, index=GUESTS)}, {})


def statistics(given: DriftInput) -> Weekly:
    """Return the share of guests who left without a greeting, week by week; the last is bad."""
    weeks = [date.fromordinal(date(2026, 1, 5).toordinal() + 7 * number) for number in range(20)]
    rows = np.full(20, 1000.0)
    bad = np.full(20, 20.0)
    bad[-1] = 400.0
    name = f"{given.champion.name}/{given.champion.version}" if given.champion else "none"
    share = Share("guests without a greeting", "data quality", bad, rows)
    return Weekly(weeks, [share], champion_day=weeks[0], champion=name)
