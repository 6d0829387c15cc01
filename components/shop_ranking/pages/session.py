"""Sign-in of a person with the admin key: a signed cookie of some hours, not the key itself."""

import hashlib
import hmac
import time

from fastapi import Request
from fastapi.responses import Response

from components.platform.settings import settings

COOKIE = "shopfusion_operations"
SECONDS = 8 * 3600
PATH = "/operations"


def is_open() -> bool:
    """Tell whether an admin key is configured at all."""
    return bool(_key())


def is_key(given: str) -> bool:
    """Tell whether this is the admin key, in constant time."""
    return is_open() and hmac.compare_digest(given.encode(), _key())


def signed_in(request: Request) -> bool:
    """Tell whether the cookie was made here with the present key, and has not run out."""
    expires, _, signature = request.cookies.get(COOKIE, "").partition(".")
    if not is_open() or not expires.isascii() or not expires.isdigit():
        return False
    known = hmac.compare_digest(signature.encode(), _signature(expires).encode())
    return known and int(expires) > time.time()


def sign_in(request: Request, response: Response) -> None:
    """Set the cookie: out of reach of scripts and of other sites' requests."""
    expires = str(int(time.time()) + SECONDS)
    response.set_cookie(
        COOKIE,
        f"{expires}.{_signature(expires)}",
        max_age=SECONDS,
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def sign_out(response: Response) -> None:
    """Forget the cookie."""
    response.delete_cookie(COOKIE, path=PATH)


def _signature(expires: str) -> str:
    return hmac.new(_key(), f"operations/{expires}".encode(), hashlib.sha256).hexdigest()


def _key() -> bytes:
    key = settings().admin_key
    return key.get_secret_value().encode() if key else b""
