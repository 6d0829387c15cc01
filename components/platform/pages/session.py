"""Sign-in of a person with the admin key: a signed cookie of some hours, not the key itself.

It opens the pages of every application of the server.
"""

import hmac
from hashlib import sha256

from fastapi import Request
from fastapi.responses import Response
from itsdangerous import BadData, URLSafeTimedSerializer

from components.platform.settings import settings

COOKIE = "shopfusion_signed_in"
SECONDS = 8 * 3600
PATH = "/"
SIGNED_IN = "admin"


def is_open() -> bool:
    """Tell whether an admin key is configured at all."""
    return bool(_key())


def is_key(given: str) -> bool:
    """Tell whether this is the admin key, in constant time."""
    return is_open() and hmac.compare_digest(given.encode(), _key())


def signed_in(request: Request) -> bool:
    """Tell whether the cookie was made here with the present key, and has not run out."""
    if not is_open():
        return False
    try:
        content = _serializer().loads(request.cookies.get(COOKIE, ""), max_age=SECONDS)
    except BadData:
        return False
    return bool(content == SIGNED_IN)


def sign_in(request: Request, response: Response) -> None:
    """Set the cookie: out of reach of scripts and of other sites' requests."""
    response.set_cookie(
        COOKIE,
        str(_serializer().dumps(SIGNED_IN)),
        max_age=SECONDS,
        path=PATH,
        secure=request.url.scheme == "https",
        httponly=True,
        samesite="strict",
    )


def sign_out(response: Response) -> None:
    """Forget the cookie."""
    response.delete_cookie(COOKIE, path=PATH)


def _serializer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_key(), salt=COOKIE, signer_kwargs={"digest_method": sha256})


def _key() -> bytes:
    key = settings().admin_key
    return key.get_secret_value().encode() if key else b""
