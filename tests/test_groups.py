"""Which tests run together, and in which lane."""

import pytest


@pytest.mark.xdist_group("services")
def test_tests_of_a_group_stay_in_one_process(request: pytest.FixtureRequest) -> None:
    """Otherwise every process starts services of its own, and the suite takes twice as long."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith("@services")


def test_tests_of_a_file_stay_in_one_process(request: pytest.FixtureRequest) -> None:
    """Otherwise every process trains what the file trains once."""
    if hasattr(request.config, "workerinput"):
        assert request.node.nodeid.endswith(f"@{request.node.nodeid.partition('::')[0]}")


@pytest.mark.parametrize("service", ["platform", "mlflow_uri"])
def test_only_long_tests_start_it(request: pytest.FixtureRequest, service: str) -> None:
    """`make test` leaves them out: Airflow alone takes a minute to start, MLflow's server 10 s."""
    started = [item for item in request.session.items if service in item.fixturenames]
    assert [item.nodeid for item in started if item.get_closest_marker("long") is None] == []
