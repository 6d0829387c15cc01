"""What a training of shop ranking on feedback is told; see docs/retraining.md.

The test targets take the last horizon of the window; a final cut brings what was tested up to the
window's end, else a challenger would know less of the shop than the champion it is to follow.
"""

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from components.platform.application import Retraining

if TYPE_CHECKING:
    from components.platform.tracking import Version

FUSION_TAG = "fusion"  # of a version of the fused ranker: its fusion method
# Baselines of a refresh's leaderboard: those that cost seconds. Its gate reads the champion alone.
COUNTED = ("popularity", "personal-frequency", "decayed-frequency")


def same(champion: "Version") -> dict[str, Any]:
    """Return the conf that keeps the champion's data."""
    return {"data.dataset": champion.tags["dataset"]}


def window(end: date, source: str) -> dict[str, Any]:
    """Return the conf of a window until a day, with feedback in the place of raw data."""
    return {
        "data.feedback": source,
        "preparation.final_cut": True,
        "preparation.as_of": end.isoformat(),
    }


def earliest_end(champion: "Version") -> date:
    """Return the first day at which a window can end that the champion's towers go on in.

    Its cuts lie one horizon apart before its end, and the first must not be before the champion's
    first: no tower knows the future of a cut that it makes vectors for.
    """
    days = [
        date.fromisoformat(day)
        for name, day in champion.tags.items()
        if name.startswith("cut_") and name != "cut_final"
    ]
    return min(days) + timedelta(days=int(champion.tags["horizon_days"])) * len(days)


def window_end(champion: "Version") -> date:
    """Return the first day that the champion's run had no data of."""
    as_of = champion.tags.get("data_as_of", "all")
    if as_of != "all":
        return date.fromisoformat(as_of)
    return date.fromisoformat(champion.tags["cut_test"]) + timedelta(
        days=int(champion.tags["horizon_days"])
    )


def refresh(champion: "Version") -> dict[str, Any]:
    """Return what makes a training a refresh: the champion's towers and its method alone.

    A champion registered before versions carried the tag says no method: then all are fitted.
    """
    return {
        "retrain": [],
        "baselines.ranked": list(COUNTED),
        "fusion.only": champion.tags.get(FUSION_TAG),
    }


RETRAINING = Retraining(
    same=same,
    window=window,
    window_end=window_end,
    earliest_end=earliest_end,
    refresh=refresh,
    own=frozenset(
        {
            "preparation.validation_cut",
            "preparation.test_cut",
            "baselines.ranked",
            "fusion.only",
        }
    ),
)
