import pytest

from tests.world import TinyWorld, make_world, tiny_params


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> TinyWorld:
    """The shared world: read it, never write into its folders."""
    return make_world(tmp_path_factory.mktemp("world"), tiny_params())
