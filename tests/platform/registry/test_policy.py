"""The registry policy is checked when it is read."""

import pytest
import yaml

from components.platform.errors import RegistryError
from components.platform.registry.policy import POLICY, load_policy
from components.shop_ranking.application import SHOP_RANKING


def test_policy_of_the_repository_is_valid():
    policy = load_policy(SHOP_RANKING)
    assert policy.leading == "fused-ranker"
    primary = [line.measure for line in policy.gate.lines if line.rule == "primary"]
    assert primary == ["ndcg/all/all", "ndcg/novel/all"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"modells": {}}, "modells"),
        ({"gate": {"confidence": 95}}, "gate.confidence"),
        ({"gate": {"lines": []}}, "gate.lines"),
        ({"gate": {"lines": [{"measure": "x", "rule": "slice", "margin": 0.1}]}}, "primary"),
        ({"models": {"fused": None}}, "models.fused"),
        ({"models": {"audio": "audio-tower"}}, "names of the models"),
    ],
)
def test_wrong_policy_names_the_key_in_one_line(tmp_path, change, named):
    policy = yaml.safe_load(POLICY.read_text())
    entry = policy["applications"]["shop_ranking"]
    for key, value in change.items():
        entry[key] = {**entry.get(key, {}), **value}
    path = tmp_path / "registry.yaml"
    path.write_text(yaml.safe_dump(policy))
    with pytest.raises(RegistryError, match=named) as caught:
        load_policy(SHOP_RANKING, path)
    assert "\n" not in str(caught.value)


def test_absent_or_broken_policy_says_so(tmp_path):
    with pytest.raises(RegistryError, match="run from the repository root"):
        load_policy(SHOP_RANKING, tmp_path / "registry.yaml")
    (tmp_path / "registry.yaml").write_text("models: [")
    with pytest.raises(RegistryError, match="YAML"):
        load_policy(SHOP_RANKING, tmp_path / "registry.yaml")
