"""What is asked of a ranking: views (which targets, which list) and slices (of whom, of what).

- all: every target, the full ranking.
- repeat: targets the shopper had bought before the cut, the full ranking.
- novel: targets never bought before, earlier purchases removed from the ranking.

Within each view a slice keeps some shoppers, or some targets. A shopper without a target in a
view's slice is left out of it; a slice in which nobody has a target is left out of the table.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from components.platform.errors import DataError
from components.platform.files import read_table
from components.shop_ranking.params import EvaluationParams

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class TestRows:
    """The evaluated shoppers of one cut and what they wanted; shapes (N,), (N, I), (I,)."""

    users: npt.NDArray[np.int32]
    wanted: dict[str, Bools]  # view -> (N, I)
    slices: dict[str, tuple[Bools, Bools]]  # slice -> shoppers kept (N,), targets kept (I,)
    popularity: npt.NDArray[np.float64]  # (I,) percentile among eligible items
    eligible: int


def read_test_rows(prepared: Path, cut: str, params: EvaluationParams) -> TestRows:
    """Read one cut's targets and slices from data/prepared.

    Raises:
        DataError: nobody has both a history and a target.

    """
    folder = prepared / "cuts" / cut
    items = read_table(prepared / "items.parquet", ["has_image", "text"])
    stats = read_table(folder / "item_stats.parquet")
    targets = read_table(folder / "targets.parquet")
    shoppers = read_table(folder / "user_stats.parquet", ["user_index", "sessions"])
    history = read_table(folder / "sequences.parquet", ["user_index"])["user_index"].to_numpy()
    users = np.intersect1d(history, targets["user_index"].to_numpy()).astype(np.int32)
    if len(users) == 0:
        raise DataError(
            f"shoppers with a history and a target at the cut {cut}", "none", "choose other cuts"
        )
    sessions_I, eligible_I = np.zeros(len(items)), np.zeros(len(items), bool)
    sessions_I[stats["item_index"].to_numpy()] = stats["sessions"].to_numpy()
    eligible_I[stats["item_index"].to_numpy()] = stats["eligible"].to_numpy()
    visits_N = np.zeros(len(users))
    known = np.isin(shoppers["user_index"].to_numpy(), users)
    rows = np.searchsorted(users, shoppers["user_index"].to_numpy()[known])
    visits_N[rows] = shoppers["sessions"].to_numpy()[known]
    new_N = visits_N < params.new_shopper_sessions
    head_I = _head(sessions_I, eligible_I, params.head_share)
    whole_N, whole_I = np.ones(len(users), bool), np.ones(len(items), bool)
    text_I = items["text"].is_valid().to_numpy()
    image_I = items["has_image"].to_numpy()
    return TestRows(
        users=users,
        wanted=_wanted(targets, users, len(items)),
        slices={
            "all": (whole_N, whole_I),
            "new shoppers": (new_N, whole_I),
            "returning shoppers": (~new_N, whole_I),
            "head items": (whole_N, head_I),
            "tail items": (whole_N, ~head_I),
            "items without picture": (whole_N, ~image_I),
            "items without text": (whole_N, ~text_I),
        },
        popularity=_percentiles(sessions_I, eligible_I),
        eligible=int(eligible_I.sum()),
    )


def _wanted(targets: pa.Table, users: npt.NDArray[np.int32], items: int) -> dict[str, Bools]:
    user, item = targets["user_index"].to_numpy(), targets["item_index"].to_numpy()
    repeat = targets["is_repeat"].to_numpy(zero_copy_only=False)
    kept = np.isin(user, users)
    wanted = {view: np.zeros((len(users), items), bool) for view in ("all", "repeat", "novel")}
    for view, chosen in (("all", kept), ("repeat", kept & repeat), ("novel", kept & ~repeat)):
        wanted[view][np.searchsorted(users, user[chosen]), item[chosen]] = True
    return wanted


def _head(sessions_I: npt.NDArray[np.float64], eligible_I: Bools, share: float) -> Bools:
    counted = np.where(eligible_I, sessions_I, 0.0)
    order = np.argsort(-counted, kind="stable")
    before = np.cumsum(counted[order]) - counted[order]
    head = np.zeros(len(counted), bool)
    head[order] = before < share * counted.sum()
    return head


def _percentiles(sessions_I: npt.NDArray[np.float64], eligible_I: Bools) -> npt.NDArray[np.float64]:
    """Share of eligible items with fewer sessions, ties counted half."""
    ordered = np.sort(sessions_I[eligible_I])
    below = np.searchsorted(ordered, sessions_I, "left")
    upto = np.searchsorted(ordered, sessions_I, "right")
    return (below + upto) / (2 * max(len(ordered), 1))
