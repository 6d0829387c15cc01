"""Image encoders by name and by folder; the folder's is a tiny ViT of random weights."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image
from transformers import BertConfig, BertModel, ViTConfig, ViTModel

from components.platform.encoders.image import ImageTower
from components.platform.encoders.image_base import load_image_base
from components.platform.encoders.onnx import write_encoder
from components.platform.errors import ModelError

SIZE, DIM, TEXT_WIDTH = 32, 8, 16


def save_vit(folder: Path) -> Path:
    """A folder as of a vision model of a hub: two layers, pictures of 32 pixels."""
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=24, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        image_size=SIZE, patch_size=16,
    )  # fmt: skip
    ViTModel(config, add_pooling_layer=False).save_pretrained(folder)
    pixels = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.2]}
    (folder / "preprocessor_config.json").write_text(json.dumps(pixels))
    return folder


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    return save_vit(tmp_path / "vit")


def pictures(count: int, size: int = SIZE) -> torch.Tensor:
    values = np.random.default_rng(0).integers(0, 256, (count, 3, size, size), np.uint8)
    return torch.from_numpy(values)


def test_a_folder_is_read_as_its_network_and_its_preprocessing_say(vit: Path) -> None:
    base = load_image_base(str(vit), SIZE)
    pixels = pictures(3)
    again = ViTModel.from_pretrained(vit, add_pooling_layer=False).eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ([0.5, 0.4, 0.3], [0.2, 0.2, 0.2]))
    with torch.inference_mode():
        hidden = again((pixels / 255 - mean) / std).last_hidden_state.mean(1)
        expected = torch.nn.functional.normalize(hidden, dim=-1)
        torch.testing.assert_close(base(pixels), expected, atol=1e-5, rtol=1e-4)
    assert base.width == 24


def test_pictures_of_another_size_than_it_was_trained_on(vit: Path) -> None:
    assert load_image_base(str(vit), 64)(pictures(2, 64)).shape == (2, 24)


@pytest.mark.parametrize(("blocks", "trained"), [(0, 0), (1, 1), (16, 2)])
def test_its_last_layers_are_trained(vit: Path, blocks: int, trained: int) -> None:
    base = load_image_base(str(vit), SIZE)
    base.freeze_below(blocks)
    names = {name.split(".")[2] for name, p in base.named_parameters() if p.requires_grad}
    assert names == {str(1 - layer) for layer in range(trained)}
    assert base.trained_blocks == trained


def test_a_tower_on_a_folder_is_saved_read_and_exported(vit: Path, tmp_path: Path) -> None:
    tower = ImageTower(str(vit), SIZE, DIM, TEXT_WIDTH)
    tower.base.freeze_below(1)
    with torch.no_grad():  # as training would
        for parameter in tower.base.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
    folder = tmp_path / "tower"
    folder.mkdir()
    tower.save(folder)
    with torch.inference_mode():
        expected = tower.projection(tower.base(pictures(3))).numpy()
        again = ImageTower.load(folder)
        np.testing.assert_allclose(again.projection(again.base(pictures(3))), expected, atol=1e-6)
    write_encoder(folder, tmp_path)
    session = onnxruntime.InferenceSession(tmp_path / "onnx" / "encoder.onnx")
    (served,) = session.run(None, {"pixels": pictures(3).numpy()})
    np.testing.assert_allclose(served, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["efficientnet-lite9", "/no/such/folder"])
def test_an_unknown_name_is_one_line(name: str) -> None:
    said = rf"called '{name}': efficientnet-lite0, a folder.*; found none; correct image\.base"
    with pytest.raises(ModelError, match=said):
        load_image_base(name, SIZE)


def spoil_weights(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"not weights")


def lose_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def other_shape(folder: Path) -> None:
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(about | {"hidden_size": 48}))


def more_layers(folder: Path) -> None:
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(about | {"num_hidden_layers": 3}))


def reads_text(folder: Path) -> None:
    config = BertConfig(
        vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)


@pytest.mark.parametrize(
    "spoil", [spoil_weights, lose_weights, other_shape, more_layers, reads_text]
)
def test_a_folder_with_the_wrong_weights_is_one_line(spoil, vit: Path, capfd) -> None:
    spoil(vit)
    capfd.readouterr()
    with pytest.raises(ModelError, match="a vision network with its weights in") as caught:
        load_image_base(str(vit), SIZE)
    assert "\n" not in str(caught.value)
    assert "correct image.base_model" in str(caught.value)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("content", [b"not weights", b"", None])
def test_pth_weights_of_another_network_are_one_line(content: bytes | None, tmp_path: Path) -> None:
    if content is None:
        torch.save({"layer.weight": torch.zeros(2)}, tmp_path / "weights.pth")
    else:
        (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(ModelError, match="weights of EfficientNet-lite0 at") as caught:
        load_image_base(str(tmp_path), SIZE)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[1]", '{"image_mean": [0.5]}', '{"image_std": "x"}'])
def test_scales_that_cannot_be_read_are_one_line(vit: Path, content: str) -> None:
    (vit / "preprocessor_config.json").write_text(content)
    with pytest.raises(ModelError, match="three numbers each for image_mean") as caught:
        load_image_base(str(vit), SIZE)
    assert "\n" not in str(caught.value)


def test_more_dimensions_than_the_encoder_has_are_refused(vit: Path) -> None:
    with pytest.raises(ModelError, match="at most 24 dimensions, as the encoder's; found 25"):
        ImageTower(str(vit), SIZE, 25, 64)


def test_a_picture_without_colours_is_a_picture(vit: Path, tmp_path: Path) -> None:
    Image.new("L", (40, 20), 7).save(tmp_path / "grey.png")
    tower = ImageTower(str(vit), SIZE, DIM, TEXT_WIDTH)
    vectors = tower.encode([(tmp_path / "grey.png").read_bytes(), b"no picture"])
    assert np.isfinite(vectors[0]).all()
    assert np.isnan(vectors[1]).all()
