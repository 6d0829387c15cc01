"""What a failed stage makes of its task: real commands under a real DVC."""

import os
from pathlib import Path

import pytest
import yaml

from services.programs import BIN

STAGES = {
    "evaluation": "python -m components evaluation",  # a named error: its inputs are not there
    "lost": "kill -9 $$",
    "broken": "exit 1",
    "done": "touch done",
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("workspace")
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    stages = {name: {"cmd": command} for name, command in STAGES.items()}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    (folder / "params.yaml").write_text("{}")
    return folder


@pytest.mark.parametrize(
    ("stage", "tried_again"), [("evaluation", False), ("lost", True), ("broken", True)]
)
def test_only_what_another_try_may_mend_is_tried_again(
    stage: str, tried_again: bool, workspace: Path
) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    with pytest.raises(AirflowException) as caught:
        run(stage, workspace)
    assert isinstance(caught.value, AirflowFailException) != tried_again


def test_a_stage_that_succeeds_is_a_task_that_does(workspace: Path) -> None:
    run("done", workspace)
    assert (workspace / "done").exists()


def run(stage: str, workspace: Path) -> None:
    from orchestration.stage_operator import StageOperator

    task = StageOperator(
        task_id=stage,
        bash_command=f"dvc repro --single-item {stage}",
        cwd=str(workspace),
        env={"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"},
        append_env=True,
    )
    task.execute({})
