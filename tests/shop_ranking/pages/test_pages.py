"""The pages as a browser receives them, from the real server on the tiny world."""

import base64
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import httpx
import orjson
import pytest
from fastapi.testclient import TestClient

from components.platform.application import Packages
from components.platform.files import read_table
from components.platform.pages import session
from components.platform.serving.segments import whole_lines
from tests.served import ADMIN_KEY, SCRIPT, ServedShop, scripted
from tests.shop_ranking.serving.shop import app_of, make_server
from tests.world import TinyWorld

pytestmark = pytest.mark.xdist_group("browser")  # whose tests ask the same server


@pytest.fixture(scope="module")
def client(shop: ServedShop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url, timeout=30) as made:
        yield made


@pytest.fixture(scope="module")
def known(client: httpx.Client) -> str:
    """A shopper that the home page offers."""
    return re.findall(r'<option value="([0-9a-f]{32})"', client.get("/").text)[0]


class Structure(HTMLParser):
    """Which elements open, and whether each closes: a page is well formed."""

    VOID = frozenset({"meta", "link", "input", "img", "br", "line"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.names.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def pages(known: str, item: str) -> list[str]:
    who = f"shopper={known}"
    return [
        *("/", f"/?{who}", f"/?{who}&basket={item}", "/?shopper=somebody+else"),
        *("/search", "/search?q=ginger+tea", "/search?q=zzzz", "/search?q=tea&price_min=low"),
        *(f"/item/{item}?{who}", "/item/none", "/compare", f"/compare?{who}&words=tea"),
        *("/why/unknown", "/operations", "/?basket=" + "&basket=".join(map(str, range(40)))),
    ]


def test_every_page_is_whole_and_closed_to_everything_foreign(
    client: httpx.Client, known: str, tiny_world: TinyWorld
):
    item = read_table(tiny_world.prepared / "items.parquet")["item_id"][0].as_py()
    for path in pages(known, item):
        answer = client.get(path)
        assert answer.headers["content-type"].startswith("text/html"), path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src" not in policy
        structure = Structure()
        structure.feed(answer.text)
        assert structure.open == [], path
        assert "script" not in structure.names
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', answer.text), path
        assert not re.search(r"\s(?:style|on\w+)=", answer.text), path


def test_a_title_with_a_script_is_text(client: httpx.Client, tiny_world: TinyWorld):
    items = read_table(tiny_world.prepared / "items.parquet")["item_id"].to_pylist()
    page = client.get(f"/item/{items[scripted(tiny_world)]}")
    assert SCRIPT not in page.text
    assert "&lt;script&gt;document.title=" in page.text


@pytest.mark.parametrize("attack", ["<script>x</script>", '" onload="x', "</title><h1>x"])
def test_what_a_visitor_types_is_text(client: httpx.Client, attack: str):
    for path in ("/", "/search", "/compare"):
        page = client.get(path, params={"q": attack, "words": attack, "shopper": attack,
                                        "category": attack, "brand": attack})  # fmt: skip
        assert attack not in page.text


def test_a_known_shopper_sees_rows_of_their_own(client: httpx.Client, known: str):
    def row(path: str) -> list[str]:
        part = client.get(path).text.partition("<h2>For you</h2>")[2].partition("</section>")[0]
        return re.findall(r'href="/item/([^"?]+)', part)

    mine = row(f"/?shopper={known}")
    assert len(mine) == 12
    others = re.findall(r'<option value="([0-9a-f]{32})"', client.get("/").text)[1:]
    assert any(row(f"/?shopper={shopper}") != mine for shopper in others)
    assert "Buy again" in client.get(f"/?shopper={known}").text
    stranger = client.get("/?shopper=never+seen").text
    assert "Nothing is known of this shopper yet" in stranger


def test_pictures_that_a_page_names_are_there(client: httpx.Client, known: str):
    page = client.get(f"/?shopper={known}").text
    paths = set(re.findall(r'<img src="([^"]+)"', page))
    assert paths
    for path in paths:
        answer = client.get(path)
        assert answer.is_success
        assert answer.headers["content-type"] in {"image/png", "image/jpeg"}


def test_search_forgives_a_slip_and_narrows(client: httpx.Client):
    right = client.get("/search", params={"q": "ginger tea"}).text
    slipped = client.get("/search", params={"q": "gingr tea"}).text
    assert "ginger" in slipped.partition("understood as")[2][:60]
    first = re.findall(r'class="title" href="/item/([^"?]+)', right)
    assert first
    narrow = client.get("/search", params={"q": "ginger tea", "category": "SIMULATED > SOAP"}).text
    kinds = set(re.findall(r'<p class="soft small">(\w+)</p>', narrow))
    assert kinds <= {"soap"}
    dear = client.get("/search", params={"q": "tea", "price_min": "3,50"}).text
    prices = [float(price) for price in re.findall(r'class="price">([\d.]+)', dear)]
    assert prices
    assert min(prices) >= 3.5


def test_wrong_words_in_the_form_are_told(client: httpx.Client):
    answer = client.get("/search", params={"q": "tea", "price_min": "low"})
    assert answer.status_code == 422
    assert "price min" in answer.text
    assert "&#39;low&#39;" in answer.text


def test_a_click_is_logged_once_and_only_for_what_was_shown(
    client: httpx.Client, shop: ServedShop, known: str
):
    page = client.get(f"/?shopper={known}").text
    link = re.findall(r'class="title" href="(/item/[^"]+)"', page)[0].replace("&amp;", "&")
    for _ in range(3):
        assert client.get(link).is_success
    impression = re.findall(r"seen=([^&]+)", link)[0]
    client.get(f"/item/none?seen={impression}")
    client.get(link.replace(impression, "made-up"))
    records = [
        orjson.loads(line)
        for path in shop.spool.glob("*.jsonl")
        for line in whole_lines(path.read_bytes())
    ]
    clicks = [
        (record["impression_id"], record["user_id"])
        for record in records
        if record["event_type"] == "click" and record["impression_id"] in {impression, "made-up"}
    ]
    assert clicks == [(impression, known)]


def test_search_by_picture_finds_what_it_shows(
    packages: Packages, tmp_path: Path, tiny_world: TinyWorld
):
    """With towers that read pictures: the item of a picture is among what looks like it."""
    images = read_table(tiny_world.prepared / "images.parquet")
    items = read_table(tiny_world.prepared / "items.parquet")["item_id"].to_pylist()
    server, hits = make_server(packages, tmp_path), 0
    with TestClient(app_of(server)) as own:
        for picture in images.slice(0, 8).to_pylist():
            sent = {"picture": ("it.png", picture["image"], "image/png")}
            answer = own.post("/search/picture", files=sent)
            assert answer.status_code == 200
            shown = re.findall(r'class="title" href="/item/([^"?]+)', answer.text)
            assert shown
            hits += items[picture["item_index"]] in shown
    server.log.close()
    assert hits >= 6  # equal pictures share places


def test_a_picture_that_cannot_be_searched_is_told(client: httpx.Client, tiny_world: TinyWorld):
    image = read_table(tiny_world.prepared / "images.parquet")["image"][0].as_py()
    answer = client.post("/search/picture", files={"picture": ("it.png", image, "image/png")})
    assert answer.status_code == 422
    assert "Expected a tower with an encoder of pictures" in answer.text  # the stand-in has none
    broken = client.post("/search/picture", files={"picture": ("it.png", b"no picture")})
    assert broken.status_code == 422
    assert 'role="alert"' in broken.text
    huge = client.post("/search/picture", files={"picture": ("it.png", b"x" * 5_000_001)})
    assert "larger than 5 MB" in huge.text


def test_operations_need_the_key_and_keep_it_out_of_the_cookie(shop: ServedShop):
    with httpx.Client(base_url=shop.url, timeout=60) as person:
        assert "Admin key" in person.get("/operations").text
        refused = person.post("/operations/sign-in", data={"key": "wrong"})
        assert refused.status_code == 401
        assert not person.cookies
        answer = person.post("/operations/sign-in", data={"key": ADMIN_KEY})
        assert answer.status_code == 303
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert ADMIN_KEY not in cookie
        assert base64.b64encode(ADMIN_KEY.encode()).decode() not in cookie
        inside = person.get("/operations").text
        assert "Sign out" in inside
        assert "make replay" in inside  # no feedback yet: what to do
        person.post("/operations/sign-out")
        assert "Admin key" in person.get("/operations").text


@pytest.mark.parametrize("forged", ["9999999999.00", "x.y", ".", "9" * 30, "²³.a"])
def test_a_forged_cookie_opens_nothing(shop: ServedShop, forged: str):
    header = {"Cookie": f"{session.COOKIE}={forged}".encode("latin-1")}
    answer = httpx.get(f"{shop.url}/operations", headers=header, timeout=30)
    assert "Admin key" in answer.text


def test_without_a_champion_the_page_says_so(tmp_path: Path):
    empty = make_server(None, tmp_path)
    with TestClient(app_of(empty)) as person:
        assert person.get("/ready").status_code == 503
        answer = person.get("/")
        assert answer.status_code == 503
        assert "No model answers yet" in answer.text
        assert person.get("/operations").is_success
    empty.log.close()
