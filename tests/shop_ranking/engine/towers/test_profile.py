import numpy as np
import pyarrow as pa

from components.shop_ranking.engine.towers.profile import profile_vectors

ITEMS = np.array([[1, 0], [0, 1], [np.nan, np.nan], [-1, 0]], np.float32)


def histories(*rows: list[tuple[int, float]]) -> pa.Table:
    return pa.table(
        {
            "item_index": pa.array([[i for i, _ in row] for row in rows], pa.list_(pa.int32())),
            "day": pa.array([[age for _, age in row] for row in rows], pa.list_(pa.float32())),
        }
    )


def test_an_event_of_one_half_life_counts_half() -> None:
    (vector,) = profile_vectors(histories([(0, 30.0), (1, 0.0)]), ITEMS, half_life_days=30.0)
    np.testing.assert_allclose(vector, np.array([0.5, 1.0]) / np.sqrt(1.25), atol=1e-6)


def test_repeated_items_add_up() -> None:
    (vector,) = profile_vectors(histories([(0, 10.0), (0, 10.0), (1, 10.0)]), ITEMS, 30.0)
    np.testing.assert_allclose(vector, np.array([2.0, 1.0]) / np.sqrt(5.0), atol=1e-6)


def test_items_without_a_vector_are_left_out() -> None:
    vectors = profile_vectors(histories([(2, 1.0), (1, 5.0)], [(2, 1.0)], []), ITEMS, 30.0)
    np.testing.assert_allclose(vectors[0], [0, 1], atol=1e-6)
    assert np.isnan(vectors[1:]).all()


def test_one_shopper_online_equals_the_same_shopper_among_many() -> None:
    rows = [[(0, 3.0), (1, 9.0)], [(3, 1.0)], [(1, 2.0), (0, 2.0), (1, 40.0)]]
    together = profile_vectors(histories(*rows), ITEMS, 14.0)
    alone = [profile_vectors(histories(row), ITEMS, 14.0)[0] for row in rows]
    np.testing.assert_allclose(together, alone, atol=1e-6)
    sliced = profile_vectors(histories(*rows).slice(1, 2), ITEMS, 14.0)
    np.testing.assert_allclose(sliced, together[1:], atol=1e-6)
    assert together.dtype == np.float32


def test_nobody() -> None:
    assert profile_vectors(histories(), ITEMS, 14.0).shape == (0, 2)
