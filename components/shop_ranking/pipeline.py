"""The stages of dvc.yaml by name: which component runs each, and on which files.

Paths are relative to the run's folder. A test holds this table equal to dvc.yaml.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from components.platform.errors import ParamsError
from components.shop_ranking.params import Params

RAW = Path("data/raw")
TABLES = Path("data/tables")
PREPARED = Path("data/prepared")
BEHAVIOUR = Path("models/behaviour")
TEXT = Path("models/text")
IMAGE = Path("models/image")
BASELINES = Path("models/baselines")
FUSED = Path("models/fused")
CHAMPION = Path("models/champion")
REPORTS = Path("reports")
POLICY = Path("mlflow/registry.yaml")

# stage -> (module, function, keyword paths)
STAGES: dict[str, tuple[str, dict[str, Path]]] = {
    "data_acquisition": ("components.shop_ranking.data_ingestion.acquisition", {"raw": RAW}),
    "data_ingestion": (
        "components.shop_ranking.data_ingestion.component",
        {"raw": RAW, "tables": TABLES},
    ),
    "data_preparation": (
        "components.shop_ranking.data_preparation.component",
        {"tables": TABLES, "prepared": PREPARED, "summary": REPORTS / "data_summary"},
    ),
    "behaviour_pretraining": (
        "components.shop_ranking.behaviour_pretraining.component",
        {"prepared": PREPARED, "tower": BEHAVIOUR},
    ),
    "text_pretraining": (
        "components.shop_ranking.text_pretraining.component",
        {"prepared": PREPARED, "tower": TEXT},
    ),
    "image_pretraining": (
        "components.shop_ranking.image_pretraining.component",
        {"prepared": PREPARED, "tower": IMAGE},
    ),
    "baseline_training": (
        "components.shop_ranking.baseline_training.component",
        {"prepared": PREPARED, "baselines": BASELINES},
    ),
    "champion_ranking": (
        "components.shop_ranking.champion_ranking.component",
        {"prepared": PREPARED, "champion": CHAMPION, "policy": POLICY},
    ),
    "fusion_training": (
        "components.shop_ranking.fusion_training.component",
        {
            "prepared": PREPARED,
            "behaviour": BEHAVIOUR,
            "text": TEXT,
            "image": IMAGE,
            "baselines": BASELINES,
            "fused": FUSED,
        },
    ),
    "evaluation": (
        "components.shop_ranking.evaluation.component",
        {
            "prepared": PREPARED,
            "baselines": BASELINES,
            "fused": FUSED,
            "champion": CHAMPION,
            "reports": REPORTS / "evaluation",
            "leaderboard": REPORTS / "leaderboard.csv",
            "metrics": REPORTS / "metrics.json",
        },
    ),
    "model_registration": (
        "components.shop_ranking.model_registration.component",
        {
            "tables": TABLES,
            "prepared": PREPARED,
            "behaviour": BEHAVIOUR,
            "text": TEXT,
            "image": IMAGE,
            "fused": FUSED,
            "champion": CHAMPION,
            "evaluation": REPORTS / "evaluation",
            "leaderboard": REPORTS / "leaderboard.csv",
            "policy": POLICY,
            "verdict": REPORTS / "registration.json",
        },
    ),
}

# Stages that train a tower, in several processes where there are several devices.
TRAINED = ("behaviour_pretraining", "text_pretraining", "image_pretraining")


def run_stage(name: str, params: Params) -> None:
    """Run one stage in the current folder.

    Raises:
        ParamsError: no stage has this name.

    """
    if name not in STAGES:
        raise ParamsError(f"one of the stages {', '.join(STAGES)}", repr(name), "name one of them")
    module, paths = STAGES[name]
    run: Callable[..., None] = import_module(module).run
    run(params, **paths)
