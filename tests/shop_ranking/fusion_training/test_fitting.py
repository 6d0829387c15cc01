"""Methods side by side: results in order, every part named, one failure is the failure."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.platform.errors import ModelError
from components.platform.progress import running_part
from components.shop_ranking.fusion_training import fitting
from components.shop_ranking.fusion_training.fitting import Fitted, fit_all


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(fitting, "usable_cores", lambda: 2)


def test_as_many_at_once_as_there_are_processors_each_by_its_name():
    both = threading.Barrier(2, timeout=10)
    said = {}

    def fit(name):
        both.wait()  # neither goes on before the other runs
        said[name] = running_part()
        both.wait()
        return Fitted({"ndcg_all": float(len(name))}, 1.0)

    fitted = list(fit_all(["a", "bb"], fit))
    assert [(name, result.reached["ndcg_all"]) for name, result in fitted] == [("a", 1), ("bb", 2)]
    assert all({"a (1 of 2)", "bb (2 of 2)"} == set(text.split(", ")) for text in said.values())


def test_results_come_in_the_order_of_the_methods_whichever_ends_first():
    later = threading.Event()

    def fit(name):
        if name == "slow":
            assert later.wait(10)
        later.set()
        return Fitted({}, 0.0)

    assert [name for name, _ in fit_all(["slow", "quick"], fit)] == ["slow", "quick"]


def test_a_method_that_fails_is_the_failure_and_no_other_begins(monkeypatch):
    begun, refused, shutdown = [], threading.Event(), ThreadPoolExecutor.shutdown

    def shut_down(pool, wait=True, *, cancel_futures=False):
        shutdown(pool, wait=False, cancel_futures=cancel_futures)
        refused.set()
        shutdown(pool, wait=wait)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", shut_down)

    def fit(name):
        begun.append(name)
        if name == "bad":
            raise ModelError("candidates to fit on", "none", "add fit cuts")
        assert refused.wait(10)  # still at work when the failure is read
        return Fitted({}, 0.0)

    with pytest.raises(ModelError, match="add fit cuts"):
        list(fit_all(["bad", "b", "c", "d", "e", "f"], fit))
    assert set(begun) <= {"bad", "b", "c"}
