"""Where the services listen and keep what they know, from SHOPFUSION_* environment variables."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from components.platform.errors import ServiceError
from components.platform.settings import Settings

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
    s3_endpoint: str | None = Field(
        None, description="Another S3 store; empty: SeaweedFS is started on this machine"
    )
    s3_bucket: str = Field(
        Settings.model_fields["s3_bucket"].default, description="Bucket of everything in S3"
    )
    s3_access_key: str | None = Field(None, repr=False, description="Key of that other store")
    s3_secret_key: str | None = Field(None, repr=False, description="Its secret")
    database: str | None = Field(
        None,
        repr=False,
        description="PostgreSQL server with the databases airflow and mlflow, as "
        "postgresql+psycopg2://user:password@host; empty: SQLite",
    )
    broker: str | None = Field(
        None,
        repr=False,
        description="Celery broker through which workers get Airflow's tasks, as "
        "redis://host:6379/0; empty: LocalExecutor",
    )
    start_timeout: float = Field(
        180, gt=0, description="Seconds that the services have to become healthy"
    )
    keep_runs: int = Field(5, ge=1, description="Run workspaces that are kept, newest first")

    @field_validator("home")
    @classmethod
    def _below_the_repository(cls, home: Path) -> Path:
        return (ROOT / home.expanduser()).resolve()

    @field_validator("broker")
    @classmethod
    def _beside_a_database(cls, broker: str | None, others: ValidationInfo) -> str | None:
        if broker and not others.data.get("database"):
            raise ValueError("Celery keeps results in PostgreSQL: set SHOPFUSION_DATABASE as well")
        return broker

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
        return self.s3_endpoint or self._own_s3_url

    @property
    def own_store(self) -> bool:
        """Tell whether SeaweedFS is started here.

        A shell that has evaluated `services env` names that store as the endpoint.
        """
        return self.s3_url == self._own_s3_url

    @property
    def _own_s3_url(self) -> str:
        return f"http://{HOST}:{self.s3_port}"

    def database_of(self, name: Literal["airflow", "mlflow"]) -> str:
        """Return the SQLAlchemy address of the database that a service keeps."""
        if not self.database:
            return f"sqlite:///{self.home / name / name}.db"
        server, mark, options = self.database.partition("?")
        return f"{server.rstrip('/')}/{name}{mark}{options}"

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
        for port in range(self.s3_port, self.s3_port + 5) if self.own_store else ():
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
        field = ServiceSettings.model_fields.get(str(first["loc"][0]))
        shown = repr(first.get("input")) if field and field.repr else "another one, with a password"
        raise ServiceError(
            f"a valid {name}",
            f"{shown} ({first['msg']})",
            "correct or unset this environment variable",
        ) from error
