"""The registry policy is checked when it is read."""

import pytest
import yaml

from components.platform.errors import RegistryError
from components.platform.registry.policy import load_policy
from components.shop_ranking.pipeline import POLICY


def test_policy_of_the_repository_is_valid():
    policy = load_policy()
    assert policy.models.fused == "fused-ranker"
    assert {line.view for line in policy.gate.primary} == {"all", "novel"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"modells": {}}, "modells"),
        ({"gate": {"confidence": 95}}, "gate.confidence"),
        ({"gate": {"primary": []}}, "gate.primary"),
        ({"models": {"fused": None}}, "models.fused"),
    ],
)
def test_wrong_policy_names_the_key_in_one_line(tmp_path, change, named):
    policy = yaml.safe_load(POLICY.read_text())
    for key, value in change.items():
        policy[key] = {**policy.get(key, {}), **value}
    path = tmp_path / "registry.yaml"
    path.write_text(yaml.safe_dump(policy))
    with pytest.raises(RegistryError, match=named) as caught:
        load_policy(path)
    assert "\n" not in str(caught.value)


def test_absent_or_broken_policy_says_so(tmp_path):
    with pytest.raises(RegistryError, match="run from the repository root"):
        load_policy(tmp_path / "registry.yaml")
    (tmp_path / "registry.yaml").write_text("models: [")
    with pytest.raises(RegistryError, match="YAML"):
        load_policy(tmp_path / "registry.yaml")
