"""What shoppers are shown: on every surface, for anybody, whatever is asked."""

import base64

import numpy as np
import pytest

from tests.shop_ranking.serving.shop import logged_by, user_ids


@pytest.fixture(scope="module")
def shop(server):
    return server.champion.current().catalogue


@pytest.fixture(scope="module")
def user(server):
    return user_ids(server.champion.current(), 1)[0]


def recommend(client, **body):
    answer = client.post("/recommend", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def search(client, **body):
    answer = client.post("/search", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ids(answer):
    return [item["item_id"] for item in answer["items"]]


@pytest.mark.parametrize("surface", ["home", "similar", "basket"])
@pytest.mark.parametrize(
    "who",
    [
        {},
        {"user_id": "never seen"},
        {"user_id": "never seen", "history": ["no such item"]},
        {"history": ["no such item"]},
    ],
)
def test_strangers_and_unknown_items_get_a_full_row(client, surface, who):
    unknown = {"item_id": "no such item", "basket": ["no such item"]}
    for context in ({}, unknown):
        answer = recommend(client, surface=surface, k=8, **who, **context)
        assert len(set(ids(answer))) == 8
        assert [item["position"] for item in answer["items"]] == list(range(1, 9))


def test_a_strangers_history_moves_the_row(client, shop):
    rows = {tuple(ids(recommend(client, history=[item], diversity=0))) for item in shop.item_id[:9]}
    assert len(rows) > 4


def test_each_surface_shows_its_own_items(client, server, shop, user):
    champion = server.champion.current()
    state = champion.shoppers.of(user, (), champion.as_of).state
    owned = {shop.item_id[row] for row in state.item[state.pair_column("sessions") > 0]}
    again = ids(recommend(client, surface="buy_again", user_id=user, k=100))
    assert again
    assert set(again) <= owned
    assert recommend(client, surface="buy_again", user_id="never seen")["items"] == []
    looked_at = shop.item_id[int(champion.engine.popular[0])]
    similar = recommend(client, surface="similar", user_id=user, item_id=looked_at, k=20)
    assert looked_at not in ids(similar)
    basket = [shop.item_id[int(row)] for row in champion.engine.popular[:3]]
    goes_with = ids(recommend(client, surface="basket", user_id=user, basket=basket, k=20))
    assert not set(goes_with) & set(basket)
    assert len(goes_with) == 20


def test_similar_items_are_nearer_by_text_than_others(client, server, shop):
    champion = server.champion.current()
    vectors = champion.recommender.likeness
    rows = champion.engine.popular[:20].tolist()
    shown = [recommend(client, surface="similar", item_id=shop.item_id[row], k=8) for row in rows]
    near = [
        (vectors[[shop.index[item] for item in ids(answer)]] @ vectors[row]).mean()
        for row, answer in zip(rows, shown, strict=True)
    ]
    assert np.mean(near) > (vectors @ vectors[rows].T).mean() + 0.05


@pytest.mark.parametrize(
    "body", [{"path": "/recommend"}, {"path": "/search", "query": "a"}, {"path": "/search"}]
)
def test_filters_hold_for_every_item(client, shop, user, body):
    path, rest = body["path"], {k: v for k, v in body.items() if k != "path"}
    row = int(np.flatnonzero(shop.eligible)[3])
    category = shop.category[row].split(" > ")[0]
    prices = np.nanquantile(shop.price[shop.eligible], [0.2, 0.8])
    filters = {
        "category": category.lower(),
        "price_min": float(prices[0]),
        "price_max": float(prices[1]),
    }
    for more in ({}, {"brand": [shop.brand[row]]} if shop.brand[row] else {}):
        answer = client.post(path, json={"user_id": user, "filters": filters | more, **rest}).json()
        for item in answer["items"]:
            assert item["category"].startswith(category)
            assert prices[0] <= item["price"] <= prices[1]
            assert not more or item["brand"] == shop.brand[row]
        if path == "/recommend" and not more:
            assert len(answer["items"]) == 10
    nothing = client.post(path, json={"filters": {"category": "no such"}, **rest}).json()
    assert nothing["items"] == []


def test_search_finds_titles_with_a_slip_too(client, server, shop):
    champion = server.champion.current()
    word = max((w for w in champion.searcher.lexical.known if w.isascii() and w.isalpha()), key=len)
    straight = search(client, query=word)
    assert straight["corrected"] is None
    first = champion.catalogue.index[straight["items"][0]["item_id"]]
    fields = (shop.title, shop.brand, shop.category, shop.text)
    assert word in " ".join(str(column[first]) for column in fields).lower()
    slipped = search(client, query=word[:2] + word[3:])
    assert slipped["corrected"] == word
    assert slipped["total"] == straight["total"]
    several = search(client, query=f"{word}s")  # known words end in no s
    assert (several["corrected"], several["total"]) == (None, straight["total"])


@pytest.mark.parametrize(
    "query",
    ["", "   ", "the and of", "緑茶 お茶", "чай молоко", "x" * 1000, "!!! ???", "\u0000\ud7ff"],
)
def test_any_query_gets_a_sensible_page(client, user, query):
    for who in ({}, {"user_id": user}):
        answer = search(client, query=query, page_size=5, **who)
        assert len(answer["items"]) == 5
        assert answer["total"] >= 5


def test_pages_neither_repeat_nor_lack_items(client, user):
    whole, page = [], 1
    while part := search(client, query="a", user_id=user, page=page, page_size=7):
        if not part["items"]:
            break
        whole += ids(part)
        page += 1
    assert len(whole) == len(set(whole)) == search(client, query="a", user_id=user)["total"]


def test_taste_reorders_but_relevance_leads(client, server, shop, user):
    champion = server.champion.current()
    word = "".join(champion.catalogue.title[int(champion.engine.popular[0])].split()[:1])
    plain, own = (ids(search(client, query=word, page_size=100, **who))
                  for who in ({}, {"user_id": user}))  # fmt: skip
    assert set(plain) == set(own)
    moved = [abs(plain.index(item) - own.index(item)) for item in plain]
    assert max(moved) > 0
    assert own.index(plain[0]) < 40


def test_an_example_picture_finds_its_item(client, shop):
    hits = 0
    rows = np.flatnonzero((shop.picture_row >= 0) & shop.eligible)[:10].tolist()
    for row in rows:
        image = base64.b64encode(shop.picture(shop.item_id[row])).decode()
        hits += shop.item_id[row] in ids(search(client, image=image, page_size=10))
    assert hits >= 8  # equal pictures share places
    for wrong in ("not base64!", base64.b64encode(b"no picture").decode()):
        answer = client.post("/search", json={"image": wrong})
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("expected a ")


def test_diversity_makes_rows_less_alike(client, server, champion):
    """Of many shoppers: a random slot moves the likeness of one row as much as this does."""
    vectors, index = champion.recommender.likeness, champion.catalogue.index

    def likeness(user, diversity):
        rows = [index[i] for i in ids(recommend(client, user_id=user, k=10, diversity=diversity))]
        cosines = vectors[rows] @ vectors[rows].T
        return cosines[~np.eye(10, dtype=bool)].mean()

    users = user_ids(champion, 40)
    plain, diverse = (
        np.mean([likeness(user, diversity) for user in users]) for diversity in (0, 0.9)
    )
    assert diverse < plain - 0.02


def test_impressions_are_logged_as_they_were_shown(client, server, user):
    answer = recommend(client, user_id=user, session_id="s", k=4)
    logged = [
        record
        for record in logged_by(server)
        if record.get("impression_id") == answer["impression_id"]
    ]
    assert [record["event_id"] for record in logged] == [
        f"{answer['impression_id']}:{place}" for place in range(1, 5)
    ]
    for record, item in zip(logged, answer["items"], strict=True):
        for name in ("item_id", "position", "propensity"):
            assert record[name] == item[name]
        assert record["model_version"] == answer["model_version"] == "fused-ranker/1"
        assert record["policy"] == answer["policy"]


def test_explanations_name_parts_and_history(client, server, user):
    answer = recommend(client, user_id=user, surface="buy_again", k=5)
    explained = client.get(f"/explain/{answer['impression_id']}").json()
    assert [item["item_id"] for item in explained["items"]] == ids(answer)
    for item in explained["items"]:
        assert sum(share["share"] for share in item["shares"]) == pytest.approx(1)
        assert {"habit", "behaviour", "text", "image"} <= {
            share["part"] for share in item["shares"]
        }
        assert item["because_of"][0]["tower"] == "history"  # bought before
        assert item["because_of"][0]["item_id"] == item["item_id"]
        assert "ou bought it" in item["sentence"]
        assert item["sentence"].endswith(".")
    stranger = search(client, query="a", history=[ids(answer)[0]])
    sentences = client.get(f"/explain/{stranger['impression_id']}").json()["items"]
    assert all("t matches “a”" in item["sentence"] for item in sentences)
    gone = client.get("/explain/none")
    assert gone.status_code == 404
    assert gone.json()["detail"].startswith("expected an answer lately given")


def test_pictures_are_served(client, shop):
    row = int(np.flatnonzero(shop.picture_row >= 0)[0])
    picture = client.get(f"/pictures/{shop.item_id[row]}")
    assert picture.content == shop.picture(shop.item_id[row])
    assert picture.headers["content-type"] in {"image/png", "image/jpeg"}
    assert client.get("/pictures/none").status_code == 404


def test_a_bad_request_is_told_in_one_line(client):
    for body in ({"k": 0}, {"surface": "moon"}, {"kk": 3}, {"filters": {"price_min": -1}}):
        answer = client.post("/recommend", json=body)
        assert answer.status_code == 422
        detail = answer.json()["detail"]
        assert detail.startswith("expected ")
        assert "\n" not in detail


def test_metrics_count_requests_by_endpoint_and_status(client):
    recommend(client)
    client.post("/recommend", json={"k": 0})
    text = client.get("/metrics").text
    for status in (200, 422):
        assert f'shopfusion_requests_total{{endpoint="/recommend",status="{status}"}}' in text
    assert 'shopfusion_model_info{version="fused-ranker/1"} 1.0' in text
    assert "shopfusion_request_seconds_bucket" in text
