import pytest


@pytest.mark.xdist_group("services")
def test_tests_of_a_group_stay_in_one_process(request: pytest.FixtureRequest) -> None:
    """Otherwise every process starts services of its own, and the suite takes twice as long."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@services")
