"""Addresses and credentials from the environment; nothing here may change a result."""

from functools import lru_cache

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
    s3_endpoint: str | None = Field(default=None, description="S3 endpoint; empty for AWS")
    s3_bucket: str = Field(default="shopfusion", description="Bucket of artifacts and DVC data")
    s3_access_key: SecretStr | None = Field(default=None, description="S3 access key")
    s3_secret_key: SecretStr | None = Field(default=None, description="S3 secret key")
    pseudonym_key: SecretStr = Field(
        default=SecretStr("development-only-key"),
        description="Key of the hash that replaces shopper ids at the door",
    )


@lru_cache
def settings() -> Settings:
    """Return the process's settings."""
    return Settings()
