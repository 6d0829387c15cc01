"""Shop ranking: three towers fused into one ranker for search, recommendations and ads."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from components.platform.application import (
    Application,
    DriftInput,
    Model,
    Packages,
    Run,
    Serving,
    Stage,
)
from components.platform.registry.policy import POLICY
from components.shop_ranking.params import Params
from components.shop_ranking.retraining import RETRAINING
from components.shop_ranking.towers import TOWERS
from components.shop_ranking.towers.registration import Tower

if TYPE_CHECKING:
    from fastapi import APIRouter

    from components.platform.drift.weekly import Weekly
    from components.platform.gate.measured import Comparisons
    from components.platform.registry.policy import Policy
    from components.platform.serving.context import ServingContext
    from components.platform.serving.live_events import LiveEvents
    from components.platform.tracking import Package, Version
    from components.shop_ranking.serving.champion import Champion

RAW = Path("data/raw")
TABLES = Path("data/tables")
PREPARED = Path("data/prepared")
BASELINES = Path("models/baselines")
FUSED = Path("models/fused")
CHAMPION = Path("models/champion")
REPORTS = Path("reports")
TOWER_FOLDERS = {name: tower.folder for name, tower in TOWERS.items()}

# Path in params.yaml -> title on the form of a training.
FORM = {
    "data.dataset": "Dataset",
    "data.path": "Data path",
    "preparation.as_of": "As-of date",
    "fusion.method": "Fusion",
    **{
        f"{name}.epochs": f"Epochs: {name}"
        for name, tower in TOWERS.items()
        if "epochs" in tower.params.model_fields
    },
    "seed": "Seed",
}
WATCHED = ("orders", "events", "products", "quarantine")  # tables that drift and feedback read


def _stage(name: str, /, **paths: Path) -> Stage:
    return Stage(f"components.shop_ranking.{name}.component", paths)


def _pretraining(tower: Tower) -> Stage:
    return Stage(tower.train, {"prepared": PREPARED, "tower": tower.folder}, processes=True)


STAGES = {
    "data_acquisition": Stage("components.shop_ranking.data_ingestion.acquisition", {"raw": RAW}),
    "data_ingestion": _stage("data_ingestion", raw=RAW, tables=TABLES),
    "data_preparation": _stage(
        "data_preparation", tables=TABLES, prepared=PREPARED, summary=REPORTS / "data_summary"
    ),
    **{tower.stage: _pretraining(tower) for tower in TOWERS.values()},
    "baseline_training": _stage("baseline_training", prepared=PREPARED, baselines=BASELINES),
    "champion_ranking": _stage(
        "champion_ranking", prepared=PREPARED, champion=CHAMPION, policy=POLICY
    ),
    "fusion_training": _stage(
        "fusion_training", prepared=PREPARED, baselines=BASELINES, fused=FUSED, **TOWER_FOLDERS
    ),
    "evaluation": _stage(
        "evaluation",
        prepared=PREPARED,
        baselines=BASELINES,
        fused=FUSED,
        champion=CHAMPION,
        reports=REPORTS / "evaluation",
        leaderboard=REPORTS / "leaderboard.csv",
        metrics=REPORTS / "metrics.json",
    ),
    "model_registration": _stage(
        "model_registration",
        tables=TABLES,
        prepared=PREPARED,
        fused=FUSED,
        champion=CHAMPION,
        evaluation=REPORTS / "evaluation",
        leaderboard=REPORTS / "leaderboard.csv",
        policy=POLICY,
        verdict=REPORTS / "registration.json",
        **TOWER_FOLDERS,
    ),
}


def _ranker_package(run: Run) -> "Package":
    from components.shop_ranking.model_registration.packages import ranker_package

    return ranker_package(run.paths["fused"], run.paths["prepared"], run.scratch)


def _tower(tower: Tower) -> Model:
    def package(run: Run) -> "Package":
        from components.shop_ranking.model_registration.packages import tower_package

        return tower_package(run.paths[tower.name], run.paths["prepared"], run.scratch)

    return Model(tower.name, package, served=tower.queries is not None)


def _comparisons(run: Run) -> "Comparisons":
    from components.shop_ranking.model_registration.measurements import read_comparisons

    return read_comparisons(run)


def _origin(run: Run) -> Mapping[str, str]:
    from components.shop_ranking.model_registration.provenance import provenance

    return provenance(cast(Params, run.params), run.paths["tables"], run.paths["prepared"])


def _statistics(given: DriftInput) -> "Weekly":
    from components.shop_ranking.drift.weeks import weekly_statistics

    return weekly_statistics(given)


def _counterfactual(
    params: Params, params_of: "Callable[[Version], Params]", policy: "Policy"
) -> int:
    from components.shop_ranking.serving.counterfactual import run

    return run(params, params_of, policy)


def _load(packages: Packages, params: Params, live: "LiveEvents") -> "Champion":
    from components.shop_ranking.serving.champion import Champion

    return Champion.load(packages, params, live)


def _routes(context: "ServingContext") -> "Sequence[APIRouter]":
    from components.shop_ranking.ads import router as ads
    from components.shop_ranking.serving import answering, explaining
    from components.shop_ranking.serving.service import service_of

    service = service_of(context)
    return [answering.router(service), explaining.router(service), ads.router(service)]


def _pages(context: "ServingContext") -> "Sequence[APIRouter]":
    from components.shop_ranking.pages import router as pages
    from components.shop_ranking.serving.service import service_of

    return [pages.router(service_of(context))]


def _answer(champion: "Champion", request: Any) -> object:
    return champion.recommend(request, champion.as_of)


SHOP_RANKING = Application(
    name="shop_ranking",
    title="Shop ranking",
    stages=STAGES,
    params=Params,
    models=(Model("fused", _ranker_package, leads=True), *map(_tower, TOWERS.values())),
    comparisons=_comparisons,
    statistics=_statistics,
    origin=_origin,
    names={name: f"{name}-tower" for name in TOWERS},
    retraining=RETRAINING,
    counterfactual=_counterfactual,
    tables=tuple(TABLES / f"{table}.parquet" for table in WATCHED),
    items="products.parquet",
    form=FORM,
    takes_over=tuple(TOWERS),
    paths=("data.path", "data.feedback"),
    serving=Serving(load=_load, routes=_routes, pages=_pages, answer=_answer),
)
