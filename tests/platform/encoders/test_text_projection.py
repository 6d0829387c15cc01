import numpy as np

from components.platform.encoders.projection import Projection
from components.platform.params import WhiteningParams


def test_whitening_takes_the_common_part_away() -> None:
    rng = np.random.default_rng(0)
    cone = (rng.normal(size=(500, 24)) * np.linspace(3, 0.1, 24) + 9.0).astype(np.float32)
    projection = Projection(24, 24)
    projection.whiten(cone, WhiteningParams())
    vectors = projection.apply_to(cone)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.linalg.norm(vectors.mean(0)) < 0.1
    spread = vectors.std(0)
    assert spread.max() / spread.min() < 8  # 30 before


def test_fewer_inputs_than_dimensions() -> None:
    projection = Projection(64, 32)
    inputs = np.random.default_rng(0).normal(size=(5, 64)).astype(np.float32)
    projection.whiten(inputs, WhiteningParams())
    assert np.isfinite(projection.apply_to(inputs)).all()
    projection.whiten(inputs[:1], WhiteningParams())
    assert np.isfinite(projection.linear.weight.detach().numpy()).all()


def test_no_inputs_leave_the_map() -> None:
    projection = Projection(8, 4)
    before = projection.linear.weight.detach().clone()
    projection.whiten(np.empty((0, 8), np.float32), WhiteningParams())
    projection.centre(np.empty((0, 8), np.float32))
    assert bool((projection.linear.weight == before).all())


def test_centre() -> None:
    projection = Projection(8, 4)
    inputs = (np.random.default_rng(0).normal(size=(50, 8)) + 3).astype(np.float32)
    projection.centre(inputs)
    outputs = inputs @ projection.linear.weight.detach().numpy().T
    outputs += projection.linear.bias.detach().numpy()
    np.testing.assert_allclose(outputs.mean(0), 0, atol=1e-5)
