"""After the last stage: outputs to the DVC remote, and a page in MLflow that rebuilds the run."""

import os
import tarfile
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from components.applications import APPLICATIONS, read_params
from components.platform.application import Application
from components.platform.errors import StorageError
from components.platform.progress import say
from components.platform.settings import settings
from orchestration.command import dvc, own_environment, start
from orchestration.graph import load_pipeline
from orchestration.runs import folder, origin
from orchestration.workspace import source_files

SOURCE = "source.tar"  # not gzip: HTTP clients unpack .gz files on their way
NOTE = """Rebuild this run, in any folder:

    eval "$(.venv/bin/python -m services env)"      # in the checkout: programs, addresses, keys
    mlflow artifacts download --run-id {mlflow_run} --dst-path rebuilt
    cd rebuilt && tar xf source.tar
    dvc pull       # every output as it was
    dvc repro      # and from here on, whatever is changed
"""


def publish(application: Application, pipeline_run: str) -> str:
    """Push the run's outputs and log its code, params, lock and tables; return the MLflow run's id.

    Raises:
        StorageError: the DVC remote or S3 refuses an output.

    """
    target = folder(pipeline_run)
    os.environ["SHOPFUSION_RUN_ID"] = pipeline_run
    settings.cache_clear()
    pushing = start(dvc("push", "--run-cache"), target, own_environment())
    mlflow_run = _log(application, pipeline_run, target)
    said, _ = pushing.communicate()
    say(said)
    if pushing.returncode:
        raise StorageError(
            "the DVC remote to take the outputs",
            " ".join(said.split()[-40:]),
            "check that S3 is up and has space, then clear this task",
        )
    return mlflow_run


def _log(application: Application, pipeline_run: str, target: Path) -> str:
    from components.platform import tracking  # MLflow takes 3 s to import; the push runs meanwhile
    from components.platform.registered_run import PIPELINE, publish_tables

    params, made = read_params(application, target / "params.yaml"), origin(pipeline_run)
    with (
        tracking.stage_run(PIPELINE, params) as mlflow_run,
        TemporaryDirectory() as scratch,
    ):
        tracking.set_tags(
            {
                "git_revision": made.git_revision,
                "overrides": yaml.safe_dump(made.overrides, default_flow_style=True).strip(),
                "mlflow.note.content": NOTE.format(mlflow_run=mlflow_run),
            }
        )
        for name in ("params.yaml", "dvc.lock"):
            tracking.log_artifact(target / name)
        tracking.log_artifact(_packed(application, target, Path(scratch) / SOURCE))
        publish_tables((target / table for table in application.tables), Path(scratch))
    say(f"{asdict(made)} is MLflow run {mlflow_run}")
    return mlflow_run


def _packed(application: Application, target: Path, archive: Path) -> Path:
    """Pack the code, the remote's address and the outputs that DVC does not keep.

    No key, no folder of this machine.
    """
    names = [known.name for known in APPLICATIONS]
    stages = load_pipeline(target / "dvc.yaml", names).of(application.name).stages.values()
    outs = [out for stage in stages for out in stage.uncached]
    with tarfile.open(archive, "w") as packed:
        for name in [*source_files(target), *outs]:
            if not name.startswith(".dvc/") or name == ".dvc/config":
                packed.add(target / name, name)
    return archive
