"""The gate's answers where the right one is known."""

import numpy as np
import pandas as pd
import pytest

from components.platform.errors import ModelError, RegistryError
from components.platform.gate.comparison import Verdict, interval, judge
from components.platform.gate.measured import Measured
from components.platform.registry.policy import load_policy
from components.shop_ranking.application import SHOP_RANKING

GATE = load_policy(SHOP_RANKING).gate.model_copy(update={"bootstrap_samples": 400})
SHOPPERS = 800
SHOPPER_NOISE = np.random.default_rng(1).normal(0, 0.15, SHOPPERS)


def measured(
    name: str = "challenger",
    *,
    everything: float = 0.44,
    novel: float = 0.06,
    new_shoppers: float | None = None,
    coverage: float = 0.30,
    bias: float = 0.50,
    latency: float | None = 40.0,
    noise: float = 0.02,
) -> Measured:
    """A model with the given mean NDCG by view; the noise differs from model to model."""
    own = np.random.default_rng(len(name)).normal(0, noise, SHOPPERS)
    means = {
        "ndcg/all/all": everything,
        "ndcg/novel/all": novel,
        "ndcg/all/new shoppers": everything if new_shoppers is None else new_shoppers,
    }
    by_unit = {}
    for measure, mean in means.items():
        rows = slice(0, 100) if measure.endswith("new shoppers") else slice(None)
        ndcg = (mean + SHOPPER_NOISE - SHOPPER_NOISE.mean() + own - own.mean())[rows]
        index = [f"u{i}" for i in range(len(ndcg))]
        by_unit[measure] = pd.Series(ndcg - ndcg.mean() + mean, index=index)
    points = {"coverage": coverage, "popularity_bias": bias}
    return Measured(name, by_unit, points | ({"latency_ms": latency} if latency else {}))


def verdict(challenger: Measured, *references: Measured) -> Verdict:
    return judge(challenger, references or (measured("champion"),), GATE, seed=0)


def failing(judged: Verdict) -> set[tuple[str, str]]:
    return {(line.rule, line.measure) for line in judged.lines if not line.passed}


def test_clearly_better_passes():
    judged = verdict(measured(everything=0.48, novel=0.07))
    assert judged.outcome == "passed"
    assert judged.reasons == ()
    assert all(line.better for line in judged.lines if line.rule == "primary")


def test_clearly_worse_is_rejected_with_the_line_that_failed():
    judged = verdict(measured(everything=0.40))
    assert judged.outcome == "rejected"
    assert ("primary", "ndcg/all/all") in failing(judged)
    assert "ndcg/all/all against champion" in judged.reasons[0]


def test_tie_is_not_worse_but_not_better_either():
    judged = verdict(measured("champion"))
    assert failing(judged) == set()
    assert judged.outcome == "rejected"
    assert judged.reasons == ("better on none of the primary measures",)


def test_better_on_one_primary_line_and_within_the_margin_on_the_other_passes():
    assert verdict(measured(everything=0.438, novel=0.08)).outcome == "passed"


def test_better_on_one_primary_line_does_not_pay_for_a_loss_on_the_other():
    judged = verdict(measured(everything=0.48, novel=0.04))
    assert failing(judged) == {("primary", "ndcg/novel/all")}


@pytest.mark.parametrize(
    ("worse", "rule"),
    [
        ({"coverage": 0.26}, ("least", "coverage")),
        ({"bias": 0.56}, ("most", "popularity_bias")),
        ({"latency": 51.0}, ("most", "latency_ms")),
    ],
)
def test_a_better_ranking_that_loses_elsewhere_is_rejected(worse, rule):
    judged = verdict(measured(everything=0.48, novel=0.07, **worse))
    assert failing(judged) == {rule}
    assert judged.outcome == "rejected"


@pytest.mark.parametrize("within", [{"coverage": 0.28}, {"bias": 0.54}, {"latency": 49.0}])
def test_a_loss_within_the_margin_passes(within):
    assert verdict(measured(everything=0.48, novel=0.07, **within)).outcome == "passed"


def test_slice_vetoes_a_sure_loss_and_only_that():
    better = {"everything": 0.48, "novel": 0.07}
    judged = verdict(measured(new_shoppers=0.38, **better))
    assert failing(judged) == {("slice", "ndcg/all/new shoppers")}
    unsure = verdict(measured(new_shoppers=0.43, noise=0.5, **better))
    assert ("slice", "ndcg/all/new shoppers") not in failing(unsure)


def test_against_baselines_each_primary_line_meets_its_own_best():
    best_at_all = measured("frequency", everything=0.43, novel=0.02, latency=None)
    best_at_novel = measured("ease", everything=0.42, novel=0.055, latency=None)
    judged = verdict(measured(), best_at_novel, best_at_all)
    against = {line.measure: line.reference for line in judged.lines}
    assert against["ndcg/all/all"] == "frequency"
    assert against["ndcg/novel/all"] == "ease"
    assert against["coverage"] == "frequency"
    assert judged.outcome == "passed"


def test_without_a_packaged_reference_only_the_longest_time_counts():
    baseline = measured("frequency", everything=0.43, novel=0.05, latency=None)
    limit = next(line.limit for line in GATE.lines if line.measure == "latency_ms")
    assert verdict(measured(latency=limit - 1), baseline).outcome == "passed"
    assert failing(verdict(measured(latency=limit + 1), baseline)) == {("most", "latency_ms")}


def test_milliseconds_below_the_noise_are_no_loss():
    better, quick = {"everything": 0.48, "novel": 0.07}, measured("champion", latency=1.0)
    assert verdict(measured(latency=5.5, **better), quick).outcome == "passed"
    assert verdict(measured(latency=6.5, **better), quick).outcome == "rejected"


def test_other_shoppers_are_refused():
    champion = measured("champion")
    renamed = {name: rows.rename({"u7": "u9999"}) for name, rows in champion.by_unit.items()}
    other = Measured("champion", renamed, champion.points)
    with pytest.raises(ModelError, match="run the stage evaluation again"):
        verdict(measured(), other)


def test_row_order_changes_nothing():
    champion = measured("champion")
    by_unit = {name: rows.sample(frac=1, random_state=3) for name, rows in champion.by_unit.items()}
    shuffled = Measured("champion", by_unit, champion.points)
    assert verdict(measured(), shuffled).lines == verdict(measured(), champion).lines


@pytest.mark.parametrize(
    "line",
    [
        {"measure": "recall/all/all", "rule": "primary", "margin": 0.02},
        {"measure": "ndcg/gone/*", "rule": "slice", "margin": 0.02},
        {"measure": "diversity", "rule": "least", "margin": 0.1},
    ],
)
def test_a_line_that_names_what_nobody_measured_is_one_clear_line(line):
    gate = GATE.model_validate({**GATE.model_dump(), "lines": [*GATE.lines, line]})
    with pytest.raises(RegistryError, match=r"correct the line in mlflow/registry\.yaml") as caught:
        judge(measured(), (measured("champion"),), gate, seed=0)
    assert line["measure"] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_interval_agrees_with_the_normal_approximation():
    difference = np.random.default_rng(5).normal(0.01, 0.1, 2000)
    low, high = interval(difference, GATE, seed=0)
    half = 1.96 * difference.std() / np.sqrt(len(difference))
    assert low == pytest.approx(difference.mean() - half, abs=0.001)
    assert high == pytest.approx(difference.mean() + half, abs=0.001)
    assert (low, high) == interval(difference, GATE, seed=0)
