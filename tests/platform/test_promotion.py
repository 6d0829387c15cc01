"""Promotion and roll back on a real registry (MLflow on SQLite), and a person's hand in it."""

import uuid
from pathlib import Path

import mlflow
import pytest
import yaml

from components.platform import tracking
from components.platform.errors import RegistryError
from components.platform.promotion import champions, promote, reconcile, rollback
from components.platform.registry.policy import POLICY, Policy, load_policy
from components.platform.settings import settings
from components.shop_ranking.application import SHOP_RANKING
from tests.registries import new_registry


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return new_registry(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture
def policy(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Policy:
    """A registered model of its own with four versions and no alias."""
    monkeypatch.setenv("SHOPFUSION_MLFLOW_URI", database)
    settings.cache_clear()
    values = yaml.safe_load(POLICY.read_text())
    values["applications"]["shop_ranking"]["models"]["fused"] = f"ranker-{uuid.uuid4().hex[:8]}"
    (tmp_path / "registry.yaml").write_text(yaml.safe_dump(values))
    rules = load_policy(SHOP_RANKING, tmp_path / "registry.yaml")
    tracking.connect()
    client = mlflow.MlflowClient()
    client.create_registered_model(rules.leading)
    for _ in range(4):
        client.create_model_version(rules.leading, str(tmp_path))
    yield rules
    settings.cache_clear()


def by_hand(policy: Policy, version: str) -> None:
    """What a person does in MLflow's page."""
    mlflow.MlflowClient().set_registered_model_alias(policy.leading, "champion", version)


def aliases(policy: Policy) -> tuple[str | None, str | None]:
    now = champions(policy)
    return (
        now.champion.version if now.champion else None,
        now.previous.version if now.previous else None,
    )


def test_the_first_champion_has_no_previous_one(policy):
    promote(policy, "1", None)
    assert aliases(policy) == ("1", None)
    with pytest.raises(RegistryError, match="a previous champion of"):
        rollback(policy)
    assert aliases(policy) == ("1", None)


def test_promotion_sets_previous_and_roll_back_is_its_own_inverse(policy):
    promote(policy, "1", None)
    promote(policy, "3", "1")
    assert aliases(policy) == ("3", "1")
    rollback(policy)
    assert aliases(policy) == ("1", "3")
    rollback(policy)
    assert aliases(policy) == ("3", "1")


def test_promoting_again_changes_nothing(policy):
    promote(policy, "1", None)
    promote(policy, "2", "1")
    promote(policy, "2", "1")
    assert aliases(policy) == ("2", "1")


def test_a_person_who_moved_champion_is_obeyed_and_previous_is_the_one_before(policy):
    promote(policy, "1", None)
    promote(policy, "2", "1")
    by_hand(policy, "4")
    settled = reconcile(policy)
    assert settled.moved_by_hand
    assert aliases(policy) == ("4", "2")
    assert not reconcile(policy).moved_by_hand
    by_hand(policy, "3")
    rollback(policy)  # nobody had looked in between
    assert aliases(policy) == ("4", "3")


def test_a_person_who_rolls_back_by_hand_can_go_forth_again(policy):
    promote(policy, "1", None)
    promote(policy, "2", "1")
    by_hand(policy, "1")
    rollback(policy)
    assert aliases(policy) == ("2", "1")


def test_a_registry_from_before_this_platform_looked_keeps_its_previous(policy):
    by_hand(policy, "2")
    mlflow.MlflowClient().set_registered_model_alias(policy.leading, "previous", "1")
    assert not reconcile(policy).moved_by_hand
    assert aliases(policy) == ("2", "1")


def test_an_approval_of_a_stale_question_is_refused(policy):
    promote(policy, "1", None)
    by_hand(policy, "2")
    with pytest.raises(RegistryError, match="the champion changed after the question"):
        promote(policy, "3", "1")
    assert aliases(policy) == ("2", "1")


@pytest.mark.parametrize("call", [0, 1, 2])
def test_killed_anywhere_the_same_promotion_ends_the_same(policy, monkeypatch, call):
    promote(policy, "1", None)
    promote(policy, "2", "1")
    calls = iter(range(10))
    real = {name: getattr(tracking, name) for name in ("move_alias", "tag_model")}

    def dying(name):
        def act(*arguments):
            if next(calls) == call:
                raise KeyboardInterrupt
            real[name](*arguments)

        return act

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(tracking, name, dying(name))
        with pytest.raises(KeyboardInterrupt):
            promote(policy, "3", "2")
    promote(policy, "3", "2")
    assert aliases(policy) == ("3", "2")


def test_a_version_that_does_not_exist_is_refused(policy):
    with pytest.raises(RegistryError):
        promote(policy, "99", None)
    assert aliases(policy) == (None, None)
