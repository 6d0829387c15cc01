"""Ports and folders of the platform's services, from SHOPFUSION_* environment variables."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.errors import ServiceError

ROOT = Path(__file__).resolve().parents[1]
HOST = "127.0.0.1"
# SeaweedFS puts the gRPC port of each of its parts 10000 above the part's own port.
GRPC_OFFSET = 10_000
Port = Annotated[int, Field(ge=1024, le=65535)]


class ServiceSettings(BaseSettings):
    """Where the services listen and keep their files; nothing here may change a result."""

    model_config = SettingsConfigDict(env_prefix="SHOPFUSION_", frozen=True)

    home: Path = Field(Path(".state"), description="Folder of all state: databases, logs, runs")
    airflow_port: Port = Field(8080, description="Airflow pages and REST API")
    mlflow_port: Port = Field(5000, description="MLflow pages and REST API")
    evidently_port: Port = Field(8000, description="Evidently pages")
    serving_port: Port = Field(8090, description="The shop's pages and API, and /operations")
    serving_clock: Literal["real", "data"] | None = Field(
        None,
        description="data: the shop's time is the replay's; empty: real at a start, and as it is "
        "where the server runs",
    )
    s3_port: int = Field(
        8333, ge=1024, le=55_000, description="S3; the four ports after it are SeaweedFS's own"
    )
    airflow_database: str | None = Field(
        None, description="SQLAlchemy address of Airflow's database; empty for SQLite"
    )
    mlflow_database: str | None = Field(
        None, description="SQLAlchemy address of MLflow's database; empty for SQLite"
    )
    start_timeout: float = Field(
        180, gt=0, description="Seconds that the services have to become healthy"
    )
    keep_runs: int = Field(5, ge=1, description="Run workspaces that are kept, newest first")

    @field_validator("home")
    @classmethod
    def _below_the_repository(cls, home: Path) -> Path:
        return (ROOT / home.expanduser()).resolve()

    @property
    def airflow_url(self) -> str:
        """Address of Airflow's pages."""
        return f"http://{HOST}:{self.airflow_port}"

    @property
    def mlflow_url(self) -> str:
        """Address of MLflow's pages and tracking API."""
        return f"http://{HOST}:{self.mlflow_port}"

    @property
    def evidently_url(self) -> str:
        """Address of Evidently's pages."""
        return f"http://{HOST}:{self.evidently_port}"

    @property
    def serving_url(self) -> str:
        """Address of the shop's pages and API."""
        return f"http://{HOST}:{self.serving_port}"

    @property
    def s3_url(self) -> str:
        """Address of the S3 store."""
        return f"http://{HOST}:{self.s3_port}"

    @property
    def logs(self) -> Path:
        """Folder of the services' own logs."""
        return self.home / "logs"

    @property
    def runs(self) -> Path:
        """Folder of the run workspaces."""
        return self.home / "runs"

    def ports(self) -> dict[int, str]:
        """Return every port that will be opened, with the setting that moves it.

        Raises:
            ServiceError: two settings want the same port.

        """
        wanted = [
            (self.airflow_port, "SHOPFUSION_AIRFLOW_PORT"),
            (self.mlflow_port, "SHOPFUSION_MLFLOW_PORT"),
            (self.evidently_port, "SHOPFUSION_EVIDENTLY_PORT"),
            (self.serving_port, "SHOPFUSION_SERVING_PORT"),
        ]
        for port in range(self.s3_port, self.s3_port + 5):
            wanted += [(port, "SHOPFUSION_S3_PORT"), (port + GRPC_OFFSET, "SHOPFUSION_S3_PORT")]
        taken: dict[int, str] = {}
        for port, setting in wanted:
            if port in taken:
                raise ServiceError(
                    "a port of its own for every service",
                    f"{port} wanted by {taken[port]} and {setting}",
                    "change one of them (SHOPFUSION_S3_PORT takes the four after it, and those "
                    f"{GRPC_OFFSET} above, too)",
                )
            taken[port] = setting
        return taken


def service_settings() -> ServiceSettings:
    """Read the settings from the environment.

    Raises:
        ServiceError: a value has the wrong type or is out of range.

    """
    try:
        return ServiceSettings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"SHOPFUSION_{'_'.join(str(part) for part in first['loc']).upper()}"
        raise ServiceError(
            f"a valid {name}",
            f"{first.get('input')!r} ({first['msg']})",
            "correct or unset this environment variable",
        ) from error
