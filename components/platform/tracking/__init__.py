"""MLflow behind one room: nothing else imports mlflow."""

from components.platform.tracking.connection import answering, connect
from components.platform.tracking.packages import Column, Package, Predictor, load, save
from components.platform.tracking.runs import (
    curve,
    log_artifact,
    log_dataset,
    log_metrics,
    run_tags,
    set_tags,
    stage_run,
)
from components.platform.tracking.versions import (
    FUSION,
    Version,
    aliased,
    champion,
    download,
    model_tag,
    move_alias,
    register,
    run_folder,
    tag_model,
    tag_version,
    tagged,
    version,
)

__all__ = [
    "FUSION",
    "Column",
    "Package",
    "Predictor",
    "Version",
    "aliased",
    "answering",
    "champion",
    "connect",
    "curve",
    "download",
    "load",
    "log_artifact",
    "log_dataset",
    "log_metrics",
    "model_tag",
    "move_alias",
    "register",
    "run_folder",
    "run_tags",
    "save",
    "set_tags",
    "stage_run",
    "tag_model",
    "tag_version",
    "tagged",
    "version",
]
