"""Sponsored places on the shop's pages as a browser receives them."""

import re

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.shop_ranking.ads.test_ads_http import advertise
from tests.shop_ranking.serving.shop import ShopServer

PAGES = ["/", "/search?q=tea+soap", "/item/{item}"]
MARK = '<span class="tag sponsored">Sponsored</span>'
SIMULATED = "Campaigns with simulated bids: nobody pays for these places."
PAID = "Paid for; only items that fit are let in."


@pytest.fixture(scope="module")
def items(server: ShopServer) -> list[str]:
    return list(server.champion.current().catalogue.item_id)


def marked(page: str) -> tuple[list[str], list[str]]:
    """Return the items of cards that are marked as sponsored, and of those that are not."""
    cards = re.findall(r'<li class="card">(.*?)</li>', page, re.DOTALL)
    items_by_mark: tuple[list[str], list[str]] = ([], [])
    for card in cards:
        items_by_mark[MARK not in card].append(re.findall(r'href="/item/([^"?]+)', card)[0])
    return items_by_mark


@pytest.mark.parametrize(("prefix", "note"), [("", PAID), ("simulated-", SIMULATED)])
@pytest.mark.parametrize("path", PAGES)
def test_what_is_paid_for_is_marked_and_nothing_else(
    client: TestClient, server: ShopServer, items: list[str], path: str, prefix: str, note: str
):
    advertise(client, server, items, prefix)
    page = client.get(path.format(item=items[0])).text
    paid, free = marked(page)
    assert len(paid) == 2
    assert len(free) > len(paid)
    assert not set(paid) & set(free)
    row = page.partition('aria-label="Sponsored"')[2].partition("</section>")[0]
    assert note in row
    assert marked(row) == (paid, [])  # they stand in a row of their own
    advertise(client, server, [])
    page = client.get(path.format(item=items[0])).text
    paid, free = marked(page)
    assert not paid
    assert free
    assert "Sponsored" not in page


def test_a_search_that_is_narrowed_sells_no_place_to_what_it_leaves_out(
    client: TestClient, server: ShopServer, items: list[str]
):
    price = server.champion.current().catalogue.price
    limit = float(np.nanmedian(price))
    dear = [item for item, own in zip(items, price.tolist(), strict=True) if own > limit + 0.01]
    advertise(client, server, dear)
    wide = client.get("/search", params={"q": "tea soap"}).text
    assert len(marked(wide)[0]) == 2
    narrow = client.get("/search", params={"q": "tea soap", "price_max": f"{limit:.2f}"}).text
    assert marked(narrow)[0] == []
    assert len(marked(narrow)[1]) > 2


@pytest.mark.parametrize(
    ("prefix", "sentence"),
    [
        ("", "It is sponsored: a seller pays for this place"),
        ("simulated-", "It is sponsored by a simulated bid: nobody pays for this place"),
    ],
)
def test_why_says_who_pays(
    client: TestClient, server: ShopServer, items: list[str], prefix: str, sentence: str
):
    advertise(client, server, items, prefix)
    row = client.get("/").text.partition('aria-label="Sponsored"')[2].partition("</section>")[0]
    link = re.findall(r'href="(/why/[^"]+)"', row)[0].replace("&amp;", "&")
    why = client.get(link).text
    assert sentence in why
    assert why.count(MARK) == 1
