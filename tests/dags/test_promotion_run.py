"""Promotion and roll back in the real Airflow, on the real registry."""

import mlflow
import pytest

from tests.dags.promoting import PromotionShop

pytestmark = [pytest.mark.services, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]
DAYS = 4320  # minutes: nobody's patience ends in this test


def test_an_approval_shows_the_verdict_and_makes_the_challenger_champion(shop: PromotionShop):
    run = shop.start("promotion", {"response_timeout": DAYS})
    question = shop.asked(run)
    assert question["subject"] == "Promote fused-ranker version 2? Gate: passed"
    assert "| all | 0.44 |" in question["body"]
    assert question["options"] == ["Approve", "Reject"]
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}
    shop.answer(run, "Approve")
    assert shop.finished("promotion", run) == "success"
    assert shop.aliases() == {"champion": "2", "previous": "1", "challenger": "2"}

    back = shop.start("rollback", {})
    assert shop.finished("rollback", back) == "success"
    assert shop.aliases() == {"champion": "1", "previous": "2", "challenger": "2"}
    taken = shop.airflow.result("rollback", back, "rollback")
    assert (taken["champion"], taken["previous"]) == ("1", "2")
    assert 0 < taken["seconds"] < 60


@pytest.mark.parametrize("answer", ["Reject", None])
def test_a_rejection_and_no_answer_in_time_change_nothing(shop: PromotionShop, answer: str | None):
    run = shop.start("promotion", {"response_timeout": DAYS if answer else 1})
    shop.asked(run)
    if answer:
        shop.answer(run, answer)
    assert shop.finished("promotion", run) == "success"
    assert shop.state(run, "promote") == "skipped"
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}


def test_an_answer_to_a_question_that_is_out_of_date_fails_and_says_so(shop: PromotionShop):
    run = shop.start("promotion", {"response_timeout": DAYS})
    shop.asked(run)
    mlflow.MlflowClient().set_registered_model_alias(shop.name, "champion", "3")  # by hand
    shop.answer(run, "Approve")
    assert shop.finished("promotion", run) == "failed"
    assert shop.aliases() == {"champion": "3", "previous": "1", "challenger": "2"}
    (failed,) = (one for one in shop.airflow.tasks("promotion", run) if one.name == "promote")
    log = "\n".join(shop.airflow.log("promotion", run, failed))
    assert "the champion changed after the question was asked" in log


def test_nobody_is_asked_about_what_the_gate_rejected_unless_named(shop: PromotionShop):
    mlflow.MlflowClient().set_registered_model_alias(shop.name, "challenger", "3")
    run = shop.start("promotion", {})
    assert shop.finished("promotion", run) == "success"
    assert shop.state(run, "approval") == "skipped"
    named = shop.start("promotion", {"version": 3, "response_timeout": DAYS})
    assert shop.asked(named)["subject"] == "Promote fused-ranker version 3? Gate: rejected"
    shop.answer(named, "Reject")
    assert shop.finished("promotion", named) == "success"
