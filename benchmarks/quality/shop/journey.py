"""Row 3: the main job with several seeds, its ablation, and what the pictures add.

The first seed is the finished run in this folder. For each other one the behaviour tower and the
method of fusion that the run chose are trained again; all else is that of the finished run.
"""

import json
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from benchmarks.quality.report import Report, short, with_interval
from benchmarks.quality.rows import Task
from components.platform.progress import say
from components.shop_ranking import application as shop
from components.shop_ranking.behaviour_pretraining import component as behaviour_pretraining
from components.shop_ranking.engine.rankings import Rankings
from components.shop_ranking.evaluation.comparison import compare, measure
from components.shop_ranking.evaluation.views import TestRows, read_test_rows
from components.shop_ranking.fusion_training import component as fusion_training
from components.shop_ranking.fusion_training.ablation import ablate
from components.shop_ranking.params import Params, load_params

SEEDS = 3
VIEWS = ("all", "novel")
REFERENCES = ("lambdamart", "ease")
TEST_RANKINGS = "rankings/test/*.npz"


def run(task: Task) -> Report:
    """Measure the finished run, then train, rank and measure for each further seed.

    Below a sample of 1 there is one further seed, of one epoch.
    """
    params = load_params()
    rows = read_test_rows(shop.PREPARED, "test", params.evaluation)
    chosen = json.loads((shop.FUSED / "chosen.json").read_text())["method"]
    files = [*shop.FUSED.glob(TEST_RANKINGS), *shop.BASELINES.glob(TEST_RANKINGS)]
    by_seed = {params.seed: _measured(sorted(files), rows, params)}
    for seed in range(params.seed + 1, params.seed + (SEEDS if task.sample >= 1 else 2)):
        by_seed[seed] = _trained(_of_seed(params, seed, task), chosen, rows)
    report = Report(f"3. The main job, seeds {', '.join(map(str, by_seed))}")
    _seeds_table(report, by_seed)
    _paired_table(report, params, chosen, by_seed[params.seed])
    towers = dict(shop.TOWER_FOLDERS)
    table = report.table(
        f"Ablation on validation, {chosen} of the finished run",
        "left out", "NDCG@10 all", "NDCG@10 novel", "difference, all", "difference, novel",
    )  # fmt: skip
    whole, *parts = ablate(params, shop.PREPARED, towers, shop.BASELINES, chosen)
    table.add(whole.left_out, *(short(whole.mean(view)) for view in VIEWS), "", "")
    for part in parts:
        paired = [with_interval(part.gain_over(whole, view), params.seed) for view in VIEWS]
        table.add(part.left_out, *(short(part.mean(view)) for view in VIEWS), *paired)
    report.notes.append(
        "What rendered pictures add is the line 'image' of the ablation. Its differences are to "
        "the line 'nothing', paired by shopper; below 0 the part helps. "
        "Over seeds: the behaviour tower and the chosen fusion; the others' seed is the run's."
    )
    return report


def _of_seed(params: Params, seed: int, task: Task) -> Params:
    if task.sample >= 1:
        return params.model_copy(update={"seed": seed})
    behaviour = params.behaviour.model_copy(update={"epochs": 1})
    return params.model_copy(update={"seed": seed, "behaviour": behaviour})


def _trained(params: Params, method: str, rows: TestRows) -> pd.DataFrame:
    """Train the behaviour tower and one method of fusion; every shopper's metrics."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        tower, fused = Path(name, "behaviour"), Path(name, "fused")
        behaviour_pretraining.run(params, prepared=shop.PREPARED, tower=tower)
        fusion_training.run(
            params, prepared=shop.PREPARED, **(dict(shop.TOWER_FOLDERS) | {"behaviour": tower}),
            baselines=shop.BASELINES, fused=fused, methods=[method],
        )  # fmt: skip
        files = [fused / f"rankings/test/{model}.npz" for model in ("behaviour", method)]
        measured = _measured(files, rows, params)
    say(f"seed {params.seed}: {time.perf_counter() - started:.0f} s")
    return measured


def _measured(files: Iterable[Path], rows: TestRows, params: Params) -> pd.DataFrame:
    """Measure ranking files, every shopper."""
    parts = [measure(file.stem, Rankings.load(file), rows, params.evaluation.k) for file in files]
    return pd.concat(parts, ignore_index=True)


def _seeds_table(report: Report, by_seed: dict[int, pd.DataFrame]) -> None:
    table = report.table(
        "NDCG@10, test: first seed with its interval, then mean and deviation over seeds",
        "model", *VIEWS, *(f"{view}, over seeds" for view in VIEWS),
    )  # fmt: skip
    first = next(iter(by_seed))
    wide = {seed: _wide(shoppers) for seed, shoppers in by_seed.items()}
    means = {
        view: pd.DataFrame({seed: table[view].mean() for seed, table in wide.items()})
        for view in VIEWS
    }
    for model in means["all"][first].sort_values(ascending=False).index:
        own = [with_interval(wide[first][view][model].dropna(), first) for view in VIEWS]
        over = [means[view].loc[model] for view in VIEWS]
        spread = [
            f"{short(values.mean())} ± {short(values.std(ddof=1))}" if values.notna().all() else ""
            for values in over
        ]
        table.add(str(model), *own, *spread)


def _paired_table(report: Report, params: Params, method: str, shoppers: pd.DataFrame) -> None:
    table = report.table(
        "Paired differences of NDCG@10, first seed", "model", "over", "view", "difference", "p"
    )
    paired = compare(shoppers, params.evaluation, method, params.seed)
    asked = (paired["model"] == method) & paired["other"].isin(REFERENCES)
    chosen = paired[asked & (paired["metric"] == "ndcg@10")]
    for line in chosen.itertuples():
        ends = f"[{short(line.ci_low)}, {short(line.ci_high)}]"
        table.add(line.model, line.other, line.view, f"{short(line.difference)} {ends}",
                  f"{line.p:.3f}")  # fmt: skip


def _wide(shoppers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return view -> NDCG@10, a row a shopper and a column a model."""
    whole = shoppers[shoppers["slice"] == "all"]
    return {
        view: whole[whole["view"] == view].pivot(index="user_index", columns="model", values="ndcg")
        for view in VIEWS
    }
