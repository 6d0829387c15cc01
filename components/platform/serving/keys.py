"""Who may send events and change the server: keys from the environment."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from components.platform.serving.messages import problem
from components.platform.settings import settings

# Answers beside 200 of everything that needs a key, for the OpenAPI document.
RESPONSES = problem(401, "The key is wrong or absent") | problem(
    503, "Not now: no key is configured, or the server cannot take it"
)


def _require(
    name: str, configured: Callable[[], SecretStr | None]
) -> Callable[..., Awaitable[None]]:
    scheme = HTTPBearer(auto_error=False, scheme_name=f"{name} key")

    # In the event loop: a thread for each request would cost more than all the rest of it.
    async def require(
        given: Annotated[HTTPAuthorizationCredentials | None, Depends(scheme)],
    ) -> None:
        key = configured()
        if key is None or not key.get_secret_value():
            raise HTTPException(503, f"set SHOPFUSION_{name.upper()}_KEY to open this endpoint")
        sent = given.credentials if given else ""
        if not hmac.compare_digest(sent.encode(), key.get_secret_value().encode()):
            raise HTTPException(
                401,
                f"send the {name} key: Authorization: Bearer <key>",
                {"WWW-Authenticate": "Bearer"},
            )

    return require


require_event_key = _require("event", lambda: settings().event_key)
require_admin_key = _require("admin", lambda: settings().admin_key)
