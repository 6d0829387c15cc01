"""MLflow behind one room: nothing else imports mlflow."""

from components.platform.tracking.connection import answering, connect
from components.platform.tracking.packages import Column, Package, Predictor, load, save
from components.platform.tracking.runs import (
    curve,
    log_artifact,
    log_dataset,
    log_metrics,
    run_file,
    run_tags,
    set_tags,
    stage_run,
)
from components.platform.tracking.versions import (
    TRAINED_UNTIL,
    Version,
    download,
    model_tag,
    move_alias,
    register,
    run_folder,
    tag_model,
    tag_version,
    tagged,
    version,
    version_at,
)

__all__ = [
    "TRAINED_UNTIL",
    "Column",
    "Package",
    "Predictor",
    "Version",
    "answering",
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
    "run_file",
    "run_folder",
    "run_tags",
    "save",
    "set_tags",
    "stage_run",
    "tag_model",
    "tag_version",
    "tagged",
    "version",
    "version_at",
]
