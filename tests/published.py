"""Runs as a training publishes them: params in MLflow, tables in S3, the workspace gone."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import mlflow

from components.platform import tracking
from components.platform.registered_run import publish_tables
from components.platform.tracking import Version


def publish(run: str, workspace: Path, params: str, tables: Mapping[str, bytes]) -> Version:
    """Publish a run from a workspace, which is then deleted; return a version of it."""
    workspace.mkdir()
    (workspace / "params.yaml").write_text(params)
    for name, content in tables.items():
        (workspace / name).write_bytes(content)
    with mlflow.start_run(tags={"stage": "pipeline", "pipeline_run": run}):
        tracking.log_artifact(workspace / "params.yaml")
        publish_tables((workspace / name for name in tables), workspace)
    shutil.rmtree(workspace)
    return Version("ranker", "1", "run", {"pipeline_run": run})


def make_champion(name: str, run: str, folder: Path) -> None:
    """Make a version that a pipeline run registered the champion of a registered model."""
    client = mlflow.MlflowClient()
    client.create_registered_model(name)
    version = client.create_model_version(name, str(folder), tags={"pipeline_run": run})
    client.set_registered_model_alias(name, "champion", version.version)
