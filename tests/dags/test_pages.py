"""A person's hands on the real pages of Airflow and MLflow: trigger, read, approve, move."""

import pytest
from playwright.sync_api import Page, expect

from components.platform.promotion import reconcile
from components.platform.registry.policy import load_policy
from components.shop_ranking.application import SHOP_RANKING
from services.credentials import USER
from tests.dags.promoting import AIRFLOW_SECONDS, PROMOTION, ROLLBACK, PromotionShop, runs
from tests.running import Platform
from tests.waiting import wait_until

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("services"), pytest.mark.timeout(1800)]


@pytest.fixture
def airflow(page: Page, platform: Platform) -> Page:
    """Airflow's pages, behind its own sign-in page."""
    page.set_default_timeout(180_000)  # a machine whose cores are all busy
    expect.set_options(timeout=180_000)
    page.goto(platform.settings.airflow_url)
    page.locator("input[name=username]").fill(USER)
    page.locator("input[name=password]").fill(platform.keys.airflow_password)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("link", name="Dags", exact=True)).to_be_visible()
    return page


def triggered(page: Page, shop: PromotionShop, dag: str, **form: str) -> str:
    """Trigger a DAG by its form; return the run that follows."""
    shop.airflow.wait_for_dag(dag, timeout=300)
    before = named(shop, dag)
    page.goto(str(shop.http.base_url.join(f"/dags/{dag}")))
    page.get_by_role("button", name="Trigger").first.click()
    dialog = page.get_by_role("dialog")
    for label, value in form.items():
        dialog.locator(f"input[name=element_{label}]").fill(value)
    dialog.get_by_role("button", name="Trigger").click()
    wait_until(lambda: bool(named(shop, dag) - before), f"a run of {dag}", AIRFLOW_SECONDS)
    (run,) = named(shop, dag) - before
    return run


def named(shop: PromotionShop, dag: str) -> set[str]:
    return {run["dag_run_id"] for run in runs(shop.http, dag)}


def test_a_person_triggers_reads_the_verdict_and_approves(
    airflow: Page, platform: Platform, shop: PromotionShop
):
    question = "Promote fused-ranker version 2? Gate: passed"
    run = triggered(airflow, shop, PROMOTION, response_timeout="60")
    shop.asked(run)
    business = airflow.context.new_page()
    business.goto(f"{platform.settings.serving_url}/operations")
    business.get_by_label("Admin key").fill(platform.keys.admin_key)
    business.get_by_role("button", name="Sign in").click()
    waiting = business.get_by_role("link", name=question)
    expect(waiting).to_have_count(1)
    waiting.click()
    expect(business.get_by_role("row", name="all 0.44")).to_be_visible()  # in Airflow
    assert shop.airflow.run(PROMOTION, run)["conf"]["response_timeout"] == 60
    airflow.get_by_role("button", name="Browse").click()
    airflow.get_by_role("menuitem", name="Required Actions").click()
    link = airflow.locator(f"a[href*='{run}'][href$=required_actions]").first
    expect(link).to_have_text(question)
    link.click()
    expect(airflow.get_by_role("row", name="all 0.44")).to_be_visible()  # the gate's verdict
    assert shop.aliases() == {"champion": "1", "previous": None, "challenger": "2"}
    airflow.get_by_role("button", name="Approve", exact=True).click()
    assert shop.finished(PROMOTION, run) == "success"
    assert shop.aliases() == {"champion": "2", "previous": "1", "challenger": "2"}


def test_an_alias_moved_in_mlflows_page_is_obeyed(
    airflow: Page, platform: Platform, shop: PromotionShop
):
    mlflow = airflow.context.new_page()
    mlflow.goto(f"{platform.settings.mlflow_url}/#/models/{shop.name}")
    third = mlflow.get_by_role("row", name="Version 3")
    third.get_by_text("Add", exact=True).click()
    dialog = mlflow.get_by_role("dialog")
    dialog.get_by_role("combobox").fill("champion")
    dialog.get_by_role("combobox").press("Enter")
    dialog.get_by_role("heading").click()  # closes the list of aliases
    dialog.get_by_role("button", name="Save aliases").click()
    wait_until(lambda: shop.aliases()["champion"] != "1", "the alias", AIRFLOW_SECONDS)
    mlflow.reload()  # the page of MLflow 3.17 goes on to show what it showed
    expect(third).to_contain_text("champion")
    assert shop.aliases() == {"champion": "3", "previous": None, "challenger": "2"}
    assert reconcile(load_policy(SHOP_RANKING)).moved_by_hand
    assert shop.aliases() == {"champion": "3", "previous": "1", "challenger": "2"}
    back = triggered(airflow, shop, ROLLBACK)
    assert shop.finished(ROLLBACK, back) == "success"
    assert shop.aliases() == {"champion": "1", "previous": "3", "challenger": "2"}
