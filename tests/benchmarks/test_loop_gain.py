"""The table of what retraining gains, on visits whose gain is known."""

import pandas as pd

from benchmarks.loop_gain import FIRST, LAST, moment, report


def visits(ndcg: float, clicked: int, days: range) -> pd.DataFrame:
    moments = [moment(FIRST) + pd.Timedelta(days=day) for day in days]
    rows = {
        "key": [f"visit-{day}" for day in days],
        "user_id": [f"shopper-{day % 7}" for day in days],
        "timestamp": moments,
        "shown": 10,
        "clicked": clicked,
        "ndcg": ndcg,
    }
    return pd.DataFrame(rows).set_index("key")


def test_only_visits_that_both_answered_in_these_weeks_are_compared(capsys):
    weeks = (LAST - FIRST).days
    report("retrained", visits(0.25, 2, range(-9, weeks + 9)), visits(0.375, 1, range(-3, weeks)))
    said = capsys.readouterr().out
    assert f"{weeks} visits of 7 shoppers" in said
    ndcg, clicks = said.splitlines()[-2:]
    assert "0.250 (0.250–0.250)" in ndcg
    assert "+0.1250 (+0.1250 to +0.1250)" in ndcg
    assert "-0.1000 (-0.1000 to -0.1000)" in clicks
