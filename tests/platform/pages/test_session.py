"""The signed cookie: made with the present key, for some hours, and nothing else opens."""

from collections.abc import Iterator

import pytest
from fastapi import Request, Response

from components.platform.pages import session
from components.platform.settings import settings


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("SHOPFUSION_ADMIN_KEY", "first")
    settings.cache_clear()
    yield
    settings.cache_clear()


def request(cookie: str = "") -> Request:
    headers = [(b"cookie", cookie.encode())]
    return Request({"type": "http", "scheme": "http", "path": "/operations", "headers": headers,
                    "server": ("shop", 80)})  # fmt: skip


def signed_cookie() -> str:
    response = Response()
    session.sign_in(request(), response)
    return response.headers["set-cookie"].split(";")[0]


def test_the_cookie_opens_until_it_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = signed_cookie()
    assert session.signed_in(request(cookie))
    assert not session.signed_in(request())
    monkeypatch.setattr(session, "SECONDS", -1)
    assert not session.signed_in(request(cookie))


def test_a_cookie_of_another_key_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = signed_cookie()
    monkeypatch.setenv("SHOPFUSION_ADMIN_KEY", "second")
    settings.cache_clear()
    assert not session.signed_in(request(cookie))
    assert session.signed_in(request(signed_cookie()))


def test_a_changed_cookie_opens_nothing() -> None:
    cookie = signed_cookie()
    other = "A" if cookie[-9] != "A" else "B"
    assert not session.signed_in(request(cookie[:-9] + other + cookie[-8:]))
    assert not session.signed_in(request(cookie.replace("=", "=x", 1)))
