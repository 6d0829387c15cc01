"""Pages of an application that is no shop: its own templates on the shared ones."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI, Request, Response
from fastapi.testclient import TestClient

from components.platform.errors import ModelError
from components.platform.pages import session, signing_in
from components.platform.pages.rendering import Pages, static_router
from components.platform.settings import settings

DESK = """{% extends "base.html" %}
{% block content %}<h1>{{ greeting }}</h1>{% endblock %}
"""


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """An application with a page that everybody sees, and one behind the sign-in."""
    monkeypatch.setenv("SHOPFUSION_ADMIN_KEY", "key")
    settings.cache_clear()
    for name, text in {"templates/desk.html": DESK, "static/desk.css": "h1 { color: red }"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    pages = Pages("desk", "Help desk", tmp_path, menu=(("/desk", "Desk"), ("/queue", "Queue")))
    routes = pages.router()

    @routes.get("/desk")
    def desk(question: str) -> Response:
        if question == "model":
            raise ModelError("a model", "no champion yet", "train one")
        return pages.page("desk.html", here="/desk", greeting=question)

    @routes.get("/queue")
    def queue(request: Request) -> Response:
        if not session.signed_in(request):
            return signing_in.form(pages, "/queue")
        return pages.page("desk.html", here="/queue", greeting="the queue")

    app = FastAPI()
    for router in (
        routes, signing_in.router(pages, "/queue"), static_router(), static_router(pages.static)
    ):  # fmt: skip
        app.include_router(router)
    with TestClient(app) as made:
        yield made
    settings.cache_clear()


def test_a_page_has_its_own_menu_and_styles_and_escapes_what_it_shows(client: TestClient):
    answer = client.get("/desk", params={"question": "<b>tea</b>"})
    assert "&lt;b&gt;tea" in answer.text
    assert "<title>Help desk" in answer.text
    assert 'href="/desk" aria-current="page">Desk<' in answer.text
    assert 'href="/queue">Queue<' in answer.text
    assert "Compare models" not in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for name, kind in (("style.css", "css"), ("desk.css", "css"), ("icon.svg", "svg")):
        assert f"/pages/{name}" in answer.text
        file = client.get(f"/pages/{name}")
        assert file.is_success
        assert kind in file.headers["content-type"]
    assert client.get("/pages/base.html").status_code == 404


def test_errors_are_pages_of_the_application(client: TestClient):
    unasked = client.get("/desk")
    assert unasked.status_code == 422
    assert "question: Field required" in unasked.text
    unready = client.get("/desk", params={"question": "model"})
    assert unready.status_code == 503
    assert "desk_training" in unready.text
    assert "no champion yet" in unready.text


def test_the_key_opens_what_is_behind_the_form_until_sign_out(client: TestClient):
    assert 'action="/queue/sign-in"' in client.get("/queue").text
    wrong = client.post("/queue/sign-in", data={"key": "none"})
    assert wrong.status_code == 401
    assert "This is not the admin key." in wrong.text
    assert "the queue" in client.post("/queue/sign-in", data={"key": "key"}).text
    assert "the queue" in client.get("/queue").text
    assert "Admin key" in client.post("/queue/sign-out").text
