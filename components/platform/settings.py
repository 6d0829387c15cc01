"""Addresses and credentials from the environment; they change no result.

But for training_processes: a step of several processes is that of a larger batch.
"""

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once from SHOPFUSION_* environment variables."""

    model_config = SettingsConfigDict(env_prefix="SHOPFUSION_", frozen=True)

    mlflow_uri: str = Field(
        default="sqlite:///.state/mlflow.db", description="MLflow tracking and registry server"
    )
    mlflow_experiment: str = Field(default="training", description="MLflow experiment of the runs")
    run_id: str = Field(default="", description="Pipeline run the stages belong to")
    git_revision: str = Field(
        default="", description="Revision a run workspace was copied from; empty asks git"
    )
    s3_endpoint: str | None = Field(
        default=None, description="S3 endpoint; empty for AWS; not set: no store"
    )
    s3_bucket: str = Field(default="shopfusion", description="Bucket of artifacts and DVC data")
    s3_access_key: SecretStr | None = Field(default=None, description="S3 access key")
    s3_secret_key: SecretStr | None = Field(default=None, description="S3 secret key")
    s3_attempts: int = Field(
        default=6, ge=1, description="How often S3 is asked before it counts as away"
    )
    serving_host: str = Field(default="127.0.0.1", description="Address the server listens on")
    serving_port: int = Field(default=8090, ge=1024, le=65535, description="Port of the server")
    serving_package: Path | None = Field(
        default=None,
        description="Folder with a package a model, called by its key, to serve instead of the "
        "registry's champion",
    )
    serving_clock: Literal["real", "data"] = Field(
        default="real",
        description="data: the shop's time starts where the champion's data ends, and is set by "
        "POST /admin/clock; for replays of the past",
    )
    event_key: SecretStr | None = Field(
        default=None, description="Key that POST /events needs; without one it answers 503"
    )
    admin_key: SecretStr | None = Field(
        default=None, description="Key that /admin needs; without one it answers 503"
    )
    redis_url: SecretStr | None = Field(
        default=None,
        description="Redis through which several servers know the same, as redis://host:6379/0; "
        "empty for one server",
    )
    spool: Path = Field(default=Path(".state/spool"), description="Folder of events not yet in S3")
    spool_megabytes: int = Field(
        default=512, ge=1, description="Size of the spool at which POST /events answers 503"
    )
    home: Path = Field(
        default=Path(".state"), description="Folder of all state; monitoring reports are in it"
    )
    spark_master: str = Field(
        default="",
        description="Spark master that data preparation runs on, as spark://host:7077 or local[4]; "
        "empty: DuckDB in this process",
    )
    training_processes: int = Field(
        default=0, ge=0, description="Processes of a pretraining; 0: one a CUDA device, or one"
    )
    drift_webhook: str | None = Field(
        default=None, description="Address that a drift alarm is posted to; empty for none"
    )
    airflow_url: str = Field(default="", description="Airflow's pages, for the operations page")
    airflow_user: str = Field(default="admin", description="Airflow user of the operations page")
    airflow_password: SecretStr | None = Field(
        default=None, description="Password of that user; without one approvals are not shown"
    )
    evidently_url: str = Field(default="", description="Evidently's pages, for the operations page")
    pseudonym_key: SecretStr = Field(
        default=SecretStr("development-only-key"),
        description="Key of the hash that replaces user ids where events come in",
    )

    @property
    def has_store(self) -> bool:
        """Tell whether there is an S3 store: one with an address, or with an empty one AWS."""
        return self.s3_endpoint is not None


def writes() -> bool:
    """Tell whether this process writes: the only one, or the first of those that train together."""
    return os.environ.get("RANK", "0") == "0"


@lru_cache
def settings() -> Settings:
    """Return the process's settings."""
    return Settings()
