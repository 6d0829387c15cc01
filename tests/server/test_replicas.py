"""Two real servers and a real Redis behind one address: what one is told, the other knows."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import orjson
import pytest
import redis

from components.platform.files import read_table
from components.platform.serving.segments import whole_lines
from tests.ports import free_port
from tests.served import ADMIN_KEY, EVENT_KEY, ServedShop
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("redis-server") is None,
        reason="redis-server is not installed (Debian: apt-get install redis-server)",
    ),
    pytest.mark.xdist_group("replicas"),
    pytest.mark.timeout(600),
]
EVENTS = {"Authorization": f"Bearer {EVENT_KEY}"}
ADMIN = {"Authorization": f"Bearer {ADMIN_KEY}"}


class Redis:
    """A Redis that keeps nothing on disk: one that is killed has lost everything."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "no"],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        ping = redis.Redis.from_url(self.url).ping
        wait_until(ping, "Redis answers", passing=redis.ConnectionError)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


class Pair:
    """Two servers on one Redis, each with a spool of its own."""

    def __init__(self, packages: Path, folder: Path) -> None:
        self.redis = Redis()
        more = {"SHOPFUSION_REDIS_URL": self.redis.url}
        self.a, self.b = (ServedShop(packages, folder / name, more) for name in "ab")
        self.items = read_table(packages / "fused/shop/items.parquet")["item_id"].to_pylist()

    def start(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(ServedShop.start, (self.a, self.b)))

    def stop(self) -> None:
        for server in (self.a, self.b):
            server.stop()
        self.redis.kill()

    def logged(self, kind: str) -> list[dict]:
        """Return the records of one kind in both spools, each as often as it lies there."""
        return [
            record
            for server in (self.a, self.b)
            for path in sorted(server.spool.glob("*.jsonl"))
            for line in whole_lines(path.read_bytes())
            if (record := orjson.loads(line))["event_type"] == kind
        ]


@pytest.fixture(scope="module")
def pair(served_packages, tmp_path_factory):
    made = Pair(served_packages, tmp_path_factory.mktemp("pair"))
    try:
        made.start()
        yield made
    finally:
        made.stop()


def ask(server: ServedShop, path: str, **body) -> dict:
    answer = httpx.post(f"{server.url}{path}", json=body, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


def now(server: ServedShop, at: str = "2000-01-01T00:00:00Z") -> datetime:
    """Return the shop's time, moved forward to `at` if that is later."""
    answer = httpx.post(f"{server.url}/admin/clock", json={"now": at}, headers=ADMIN)
    return datetime.fromisoformat(answer.json()["now"])


def event(server: ServedShop, event_id: str, kind: str, user: str, item: str, **more) -> dict:
    return {
        "event_id": event_id,
        "action_name": kind,
        "user_id": user,
        "timestamp": now(server).isoformat(),
        "event_attributes": {"object": {"object_id": item}},
    } | more


def send(server: ServedShop, *events: dict) -> httpx.Response:
    return httpx.post(
        f"{server.url}/events", json={"events": list(events)}, headers=EVENTS, timeout=30
    )


def bought(server: ServedShop, user: str) -> list[str]:
    answer = ask(server, "/recommend", user_id=user, surface="buy_again", k=50)
    return [item["item_id"] for item in answer["items"]]


def said(server: ServedShop) -> str:
    return httpx.get(f"{server.url}/ready").json()["replicas"]


def metric(server: ServedShop, name: str) -> float:
    lines = httpx.get(f"{server.url}/metrics").text.splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(name)))


def test_what_one_is_told_changes_the_others_answer(pair):
    assert said(pair.a) == said(pair.b) == "one of many"
    assert metric(pair.a, "shopfusion_redis_up") == 1
    assert bought(pair.b, "newcomer") == []
    purchase = event(pair.a, "p-1", "purchase", "newcomer", pair.items[3])
    assert send(pair.a, purchase).json()["accepted"] == 1
    wait_until(lambda: bought(pair.b, "newcomer") == [pair.items[3]], "b knows the purchase")
    assert bought(pair.a, "newcomer") == [pair.items[3]]
    again = send(pair.b, purchase).json()  # by way of the other
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert [event["event_id"] for event in pair.logged("purchase")].count("p-1") == 1


def test_both_give_the_same_scores_to_a_shopper_of_today(pair):
    send(pair.b, event(pair.b, "p-2", "purchase", "regular", pair.items[5]))
    wait_until(lambda: bought(pair.a, "regular") == [pair.items[5]], "a knows the purchase")

    def scores(server: ServedShop) -> dict[str, float]:
        items = ask(server, "/recommend", user_id="regular", k=100)["items"]
        return {item["item_id"]: item["score"] for item in items}

    of_a, of_b = scores(pair.a), scores(pair.b)
    shared = of_a.keys() & of_b.keys()  # random slots may show another item at the end
    assert len(shared) > 0.9 * len(of_a)
    assert all(of_a[item] == of_b[item] for item in shared)


def test_one_explains_what_the_other_answered(pair):
    answer = ask(pair.a, "/recommend", user_id="newcomer", k=3)
    url = f"{pair.b.url}/explain/{answer['impression_id']}"
    wait_until(lambda: httpx.get(url).status_code == 200, "the other explains it")
    explained = httpx.get(url).json()
    assert [item["item_id"] for item in explained["items"]] == [
        item["item_id"] for item in answer["items"]
    ]
    assert explained == httpx.get(url.replace(pair.b.url, pair.a.url)).json()
    assert httpx.get(f"{pair.b.url}/explain/unknown").status_code == 404


def offers(pair: Pair, count: int) -> list[tuple[str, str]]:
    """Return (impression, item) of sponsored slots that `rich` won, of both servers in turn."""
    offered: list[tuple[str, str]] = []
    moment = now(pair.a)
    while len(offered) < count:
        moment += timedelta(minutes=1)  # pacing moves once a minute
        for server in (pair.a, pair.b):
            now(server, moment.isoformat())
            answer = ask(server, "/ads", slots=1)
            offered += [
                (answer["impression_id"], item["item_id"])
                for item in answer["items"]
                if item["campaign_id"] == "rich"
            ]
    return offered


def click(server: ServedShop, number: int, offer: tuple[str, str]) -> dict:
    return event(server, f"c-{number}", "click", "somebody", offer[1], query_id=offer[0])


def spent(server: ServedShop) -> float:
    states = httpx.get(f"{server.url}/admin/campaigns", headers=ADMIN).json()["campaigns"]
    return {state["campaign_id"]: state["spent"] for state in states}["rich"]


def prices(pair: Pair) -> dict[str, float]:
    return {
        event["event_id"]: event["price"]
        for event in pair.logged("click")
        if event["campaign_id"] == "rich"
    }


BUDGET, PRICE = 1.0, 0.2  # the loser's bid is what a click costs


def test_a_budget_spent_over_both_is_not_overrun_and_each_offer_is_charged_once(pair):
    row = ask(pair.a, "/recommend", k=2, diversity=0)["items"]
    campaigns = [
        {"campaign_id": name, "item_ids": [item["item_id"]], "bid": bid, "daily_budget": budget}
        for item, name, bid, budget in zip(
            row, ("rich", "poor"), (0.8, PRICE), (BUDGET, 1000.0), strict=True
        )
    ]
    put = httpx.put(
        f"{pair.a.url}/admin/campaigns", json={"campaigns": campaigns}, headers=ADMIN, timeout=30
    )
    assert put.status_code == 200, put.text
    shown = f"{pair.b.url}/admin/campaigns"
    wait_until(
        lambda: (
            [item["campaign_id"] for item in httpx.get(shown, headers=ADMIN).json()["campaigns"]]
            == ["rich", "poor"]
        ),
        "b has the campaigns",
    )
    noon = (now(pair.a).replace(hour=0) + timedelta(days=1, hours=12)).isoformat()
    now(pair.a, noon)
    wait_until(lambda: now(pair.b).isoformat() >= noon[:19], "one clock")  # one clock
    offered = offers(pair, 24)
    for first, other in ((pair.a, pair.b), (pair.b, pair.a)):
        # What one tells the other arrives in order: who knows the time knows every offer before.
        later = now(first, (now(first) + timedelta(seconds=1)).isoformat())
        wait_until(lambda other=other, later=later: now(other) >= later, "one clock")
    # Every offer is clicked twice at the same moment, once on either server.
    wanted = [(server, click(server, 2 * n + k, offer))
              for n, offer in enumerate(offered)
              for k, server in enumerate((pair.a, pair.b))]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda click: send(*click), wanted))
    assert {answer.status_code for answer in answers} == {200}
    charged = prices(pair)
    assert len(charged) == len(wanted)  # each click is logged, most of them for nothing
    assert BUDGET <= sum(charged.values()) < BUDGET + 0.8
    each = [charged[f"c-{2 * n}"] + charged[f"c-{2 * n + 1}"] for n in range(len(offered))]
    assert sum(price > 0 for price in charged.values()) == sum(price > 0 for price in each)
    total = pytest.approx(sum(charged.values()))
    wait_until(
        lambda: spent(pair.a) == total and spent(pair.b) == total, "both know what was spent"
    )


def test_without_redis_answers_go_on_and_money_waits(pair):
    """And what came in meanwhile is told when there is one again, which has lost everything."""
    before = sum(prices(pair).values())
    pair.redis.kill()
    wait_until(
        lambda: said(pair.a).startswith("Redis does not answer: "), "a says that Redis is away"
    )
    wait_until(
        lambda: said(pair.b).startswith("Redis does not answer: "), "b says that Redis is away"
    )
    assert metric(pair.b, "shopfusion_redis_up") == 0
    started = time.monotonic()
    for server in (pair.a, pair.b):
        assert ask(server, "/recommend", user_id="newcomer")["items"]
        assert ask(server, "/search", query="tea", user_id="newcomer")["items"]
        ask(server, "/ads", slots=2)
    assert time.monotonic() - started < 5
    taken = send(pair.a, event(pair.a, "p-3", "purchase", "later", pair.items[7]))
    assert taken.json()["accepted"] == 1
    assert bought(pair.a, "later") == [pair.items[7]]
    refused = send(pair.a, click(pair.a, 900, ("unknown", pair.items[0])))
    assert refused.status_code == 503
    assert refused.headers["Retry-After"] == "5"
    campaigns = {"campaigns": []}
    put = httpx.put(f"{pair.a.url}/admin/campaigns", json=campaigns, headers=ADMIN)
    assert put.status_code == 503
    assert spent(pair.a) > 0  # nothing was taken
    pair.redis.start()
    wait_until(lambda: said(pair.a) == said(pair.b) == "one of many", "both are together again")
    wait_until(lambda: bought(pair.b, "later") == [pair.items[7]], "b knows the later purchase")
    assert send(pair.a, click(pair.a, 900, ("unknown", pair.items[0]))).status_code == 200
    # The money that was spent is known although Redis has forgotten it.
    fresh = ask(pair.a, "/ads", slots=1)
    assert all(item["campaign_id"] != "rich" for item in fresh["items"])
    assert sum(prices(pair).values()) == before


def test_kill_9_of_one_loses_nothing(pair):
    """The client goes on with the other; what was acknowledged and not yet told is told again."""
    acknowledged: dict[str, str] = {}
    stop = threading.Event()

    def shop(server: ServedShop, other: ServedShop, name: str) -> None:
        number = 0
        while not stop.is_set():
            user, item = f"{name}-{number}", pair.items[number % len(pair.items)]
            purchase = event(pair.b, f"k-{user}", "purchase", user, item)
            while True:
                try:
                    if send(server, purchase).status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                server, other = other, server
            acknowledged[user] = item
            number += 1

    threads = [
        threading.Thread(target=shop, args=(pair.a, pair.b, name), daemon=True) for name in "xyz"
    ]
    for thread in threads:
        thread.start()
    try:
        wait_until(lambda: len(acknowledged) > 30, "30 events")
        pair.redis.signal(signal.SIGSTOP)  # from here on nobody is told anything
        quiet = len(acknowledged)
        wait_until(lambda: len(acknowledged) > quiet + 15, "15 events more")
        pair.a.kill()
        pair.redis.signal(signal.SIGCONT)
        wait_until(lambda: len(acknowledged) > quiet + 40, "40 events more")
    finally:
        stop.set()
    for thread in threads:
        thread.join()
    pair.a.start()
    for server in (pair.b, pair.a):
        for user, item in acknowledged.items():
            wait_until(
                lambda user=user, item=item, server=server: bought(server, user) == [item],
                f"{user} on {server.folder.name}",
            )
    logged = {event["event_id"] for event in pair.logged("purchase")}
    assert {f"k-{user}" for user in acknowledged} <= logged


def test_a_wrong_address_is_one_line(served_packages, tmp_path):
    finished = subprocess.run(
        [sys.executable, "-m", "components.server"],
        env=os.environ | {"SHOPFUSION_REDIS_URL": "nowhere", "SHOPFUSION_SPOOL": str(tmp_path)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert finished.returncode == 1
    assert (
        finished.stderr.strip()
        .splitlines()[-1]
        .startswith("serving: expected redis://host:port/database; found ")
    )
