"""Why nothing was done stands on the page of the run: the real Airflow, of a shop that is new."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from components.platform.settings import settings
from orchestration.skipping import skip
from services.airflow_api import AirflowApi
from tests.ports import free_block
from tests.running import Platform, make_platform, up
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def new_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """Services without a champion, so that no decision starts a training."""
    with up(make_platform(tmp_path_factory.mktemp("new"))) as made:
        yield made


@pytest.mark.long
@pytest.mark.xdist_group("services")
@pytest.mark.timeout(1800)
def test_a_skipped_run_says_why_in_its_note(new_shop: Platform):
    reasons = {
        "shop_ranking_retraining": "no champion to go on from",
        "shop_ranking_fusion_refresh": "no champion to go on from",
        "shop_ranking_drift_monitoring": "there is no champion yet",
        "feedback_ingestion": "no segment is new",
    }
    with AirflowApi(new_shop.settings, new_shop.keys) as airflow:
        for dag in reasons:
            airflow.wait_for_dag(dag, timeout=300)
        runs = {dag: airflow.trigger(dag, {}) for dag in reasons}
        for dag, run in runs.items():
            wait_until(lambda: airflow.run(dag, run)["state"] in {"success", "failed"}, dag, 400)  # noqa: B023
        notes = {dag: airflow.run(dag, run)["note"] for dag, run in runs.items()}
    assert {dag: reasons[dag] in (note or "") for dag, note in notes.items()} == {
        dag: True for dag in reasons
    }, notes


@pytest.mark.parametrize(
    ("url", "password", "problem"),
    [
        ("", None, "SHOPFUSION_AIRFLOW_PASSWORD do not say where Airflow is"),
        (f"http://127.0.0.1:{free_block()}", "any", "refused"),
        ("http://[", "any", ""),
    ],
    ids=["nobody said where it is", "it is away", "the address is none"],
)
def test_a_skip_needs_no_airflow_that_answers(monkeypatch, capsys, url, password, problem):
    run = SimpleNamespace(dag_id="retraining", run_id="manual__1")
    monkeypatch.setenv("SHOPFUSION_AIRFLOW_URL", url)
    monkeypatch.delenv("SHOPFUSION_AIRFLOW_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("SHOPFUSION_AIRFLOW_PASSWORD", password)
    settings.cache_clear()
    with pytest.raises(AirflowSkipException, match="nothing to do"):
        skip({"dag_run": run}, "nothing to do")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("the run has no note: ")
    assert problem in line
