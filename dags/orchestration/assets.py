"""What DAGs wait for and announce; an asset is known to every DAG by its name."""

from airflow.sdk import Asset

from components.platform.application import Application

FEEDBACK = Asset("feedback")  # a partition of labelled events was written


def asset(application: Application, name: str) -> Asset:
    """Return what an application announces under a name, as dvc.yaml's meta.asset says it."""
    return Asset(f"{application.name}_{name}")


def challenger(application: Application) -> Asset:
    """Return the asset of a version that was registered and compared."""
    return asset(application, "challenger")


def drift(application: Application) -> Asset:
    """Return the asset of a week that is unlike its reference by more than noise."""
    return asset(application, "drift")
