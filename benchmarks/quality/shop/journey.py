"""Row 3: the main job with several seeds, its ablation, and what the pictures add.

The first seed is the finished run in this folder. For each other one the behaviour tower and every
fusion are trained again; the content towers and the baselines are those of the finished run.
"""

import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.quality.report import Report, short, with_interval
from benchmarks.quality.rows import Task
from components import pipeline
from components.behaviour_pretraining import component as behaviour_pretraining
from components.evaluation.comparison import compare, measure
from components.evaluation.views import TestRows, read_test_rows
from components.fusion_training import component as fusion_training
from components.fusion_training.ablation import ablate
from components.params import Params, load_params
from components.progress import say
from components.ranking.rankings import Rankings

SEEDS = 3
VIEWS = ("all", "novel")
REFERENCES = ("lambdamart", "ease")


def run(task: Task) -> Report:
    """Measure the finished run, then train, rank and measure for each further seed.

    Below a sample of 1 there is one further seed, of one epoch.
    """
    params = load_params()
    rows = read_test_rows(pipeline.PREPARED, "test", params.evaluation.new_shopper_sessions)
    found = {params.seed: _measured(pipeline.FUSED, rows, params)}
    for seed in range(params.seed + 1, params.seed + (SEEDS if task.sample >= 1 else 2)):
        found[seed] = _trained(_of_seed(params, seed, task), rows)
    report = Report(f"3. The main job, seeds {', '.join(map(str, found))}")
    _seeds_table(report, found)
    _paired_table(report, params, found[params.seed])
    towers = {"behaviour": pipeline.BEHAVIOUR, "text": pipeline.TEXT, "image": pipeline.IMAGE}
    table = report.table(
        "Ablation on validation, stacking of the finished run",
        "left out", "NDCG@10 all", "NDCG@10 novel",
    )  # fmt: skip
    for line in ablate(params, pipeline.PREPARED, towers, pipeline.BASELINES, "stacking"):
        cells = [short(float(line[f"ndcg_{view}"])) for view in VIEWS]
        table.add(str(line["left_out"]), *cells)
    report.notes.append(
        "What rendered pictures add is the line 'image' of the ablation against 'nothing'. "
        "Baselines have no seed but ALS and LambdaMART, which are those of the finished run."
    )
    return report


def _of_seed(params: Params, seed: int, task: Task) -> Params:
    if task.sample >= 1:
        return params.model_copy(update={"seed": seed})
    behaviour = params.behaviour.model_copy(update={"epochs": 1})
    return params.model_copy(update={"seed": seed, "behaviour": behaviour})


def _trained(params: Params, rows: TestRows) -> pd.DataFrame:
    """Train the behaviour tower and the fusions for one seed; every shopper's metrics."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        tower, fused = Path(name, "behaviour"), Path(name, "fused")
        behaviour_pretraining.run(params, prepared=pipeline.PREPARED, tower=tower)
        fusion_training.run(
            params, prepared=pipeline.PREPARED, behaviour=tower, text=pipeline.TEXT,
            image=pipeline.IMAGE, baselines=pipeline.BASELINES, fused=fused,
        )  # fmt: skip
        found = _measured(fused, rows, params)
    say(f"seed {params.seed}: {time.perf_counter() - started:.0f} s")
    return found


def _measured(fused: Path, rows: TestRows, params: Params) -> pd.DataFrame:
    """Measure every ranking of the fusions, the towers and the baselines."""
    folders = (fused, pipeline.BASELINES)
    files = sorted(file for folder in folders for file in folder.glob("rankings/test/*.npz"))
    parts = [measure(file.stem, Rankings.load(file), rows, params.evaluation.k) for file in files]
    return pd.concat(parts, ignore_index=True)


def _seeds_table(report: Report, found: dict[int, pd.DataFrame]) -> None:
    table = report.table(
        "NDCG@10, test: first seed with its interval, then mean and deviation over seeds",
        "model", *VIEWS, *(f"{view}, over seeds" for view in VIEWS),
    )  # fmt: skip
    first = next(iter(found))
    wide = {seed: _wide(shoppers) for seed, shoppers in found.items()}
    means = {
        view: pd.DataFrame({seed: one[view].mean() for seed, one in wide.items()}) for view in VIEWS
    }
    for model in means["all"].mean(axis=1).sort_values(ascending=False).index:
        own = [with_interval(wide[first][view][model].dropna(), first) for view in VIEWS]
        over = [means[view].loc[model] for view in VIEWS]
        spread = [f"{short(one.mean())} ± {short(one.std(ddof=0))}" for one in over]
        table.add(str(model), *own, *spread)


def _paired_table(report: Report, params: Params, shoppers: pd.DataFrame) -> None:
    table = report.table(
        "Paired differences of NDCG@10, first seed", "model", "over", "view", "difference", "p"
    )
    paired = compare(shoppers, params.evaluation, "stacking", params.seed)
    chosen = paired[(paired["metric"] == "ndcg@10") & paired["other"].isin(REFERENCES)]
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
