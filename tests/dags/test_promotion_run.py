"""Promotion and roll back in the real Airflow, on the real registry."""

import mlflow
import pytest

from components.platform.pages.approvals import Approval, open_approvals
from components.platform.settings import Settings
from services.credentials import USER
from tests.dags.promoting import PROMOTION, ROLLBACK, PromotionShop
from tests.running import Platform

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
DAYS = 4320  # minutes: nobody's patience ends in this test


def on_the_operations_page(platform: Platform, run: str) -> list[Approval]:
    """Return what the shop's operations page knows of open questions of a run."""
    approvals = open_approvals(
        Settings(
            airflow_url=platform.settings.airflow_url,
            airflow_user=USER,
            airflow_password=platform.keys.airflow_password,
        )
    )
    assert approvals.problem == ""
    return [question for question in approvals.open if f"/{run}/" in question.link]


def test_an_approval_shows_the_verdict_and_makes_the_challenger_champion(
    shop: PromotionShop, platform: Platform
):
    run = shop.start(PROMOTION, {"response_timeout": DAYS})
    question = shop.asked(run)
    assert question["subject"] == "Promote fused-ranker version 2? Gate: passed"
    assert "| all | 0.44 |" in question["body"]
    assert question["options"] == ["Approve", "Reject"]
    place = f"{platform.settings.airflow_url}/dags/{PROMOTION}/runs/{run}/tasks/approval"
    (approval,) = on_the_operations_page(platform, run)
    assert (approval.subject, approval.dag) == (question["subject"], PROMOTION)
    assert approval.link == f"{place}/required_actions"
    assert approval.since == str(question["created_at"])[:16].replace("T", " ")
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}
    shop.answer(run, "Approve")
    assert on_the_operations_page(platform, run) == []
    assert shop.finished(PROMOTION, run) == "success"
    assert shop.aliases() == {"champion": "2", "previous": "1", "challenger": "2"}

    back = shop.start(ROLLBACK, {})
    assert shop.finished(ROLLBACK, back) == "success"
    assert shop.aliases() == {"champion": "1", "previous": "2", "challenger": "2"}
    taken = shop.airflow.result(ROLLBACK, back, "rollback")
    assert (taken["champion"], taken["previous"]) == ("1", "2")
    assert 0 < taken["seconds"] < 60


@pytest.mark.parametrize("answer", ["Reject", None])
def test_a_rejection_and_no_answer_in_time_change_nothing(shop: PromotionShop, answer: str | None):
    run = shop.start(PROMOTION, {"response_timeout": DAYS if answer else 1})
    shop.asked(run)
    if answer:
        shop.answer(run, answer)
    assert shop.finished(PROMOTION, run) == "success"
    assert shop.state(run, "promote") == "skipped"
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}


def test_an_answer_to_a_question_that_is_out_of_date_fails_and_says_so(shop: PromotionShop):
    run = shop.start(PROMOTION, {"response_timeout": DAYS})
    shop.asked(run)
    mlflow.MlflowClient().set_registered_model_alias(shop.name, "champion", "3")  # by hand
    shop.answer(run, "Approve")
    assert shop.finished(PROMOTION, run) == "failed"
    assert shop.aliases() == {"champion": "3", "previous": "1", "challenger": "2"}
    (failed,) = (task for task in shop.airflow.tasks(PROMOTION, run) if task.name == "promote")
    log = "\n".join(shop.airflow.log(PROMOTION, run, failed))
    assert "the champion changed after the question was asked" in log


def test_nobody_is_asked_about_what_the_gate_rejected_unless_named(shop: PromotionShop):
    mlflow.MlflowClient().set_registered_model_alias(shop.name, "challenger", "3")
    run = shop.start(PROMOTION, {})
    assert shop.finished(PROMOTION, run) == "success"
    assert shop.state(run, "approval") == "skipped"
    note = shop.airflow.run(PROMOTION, run)["note"]
    assert note == "the challenger is champion already, or the gate rejected it"
    named = shop.start(PROMOTION, {"version": 3, "response_timeout": DAYS})
    assert shop.asked(named)["subject"] == "Promote fused-ranker version 3? Gate: rejected"
    shop.answer(named, "Reject")
    assert shop.finished(PROMOTION, named) == "success"
