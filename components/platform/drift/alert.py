"""Raise the alarm: log lines, and a web hook where one is set; Evidently itself raises none."""

import json
import urllib.request
from collections.abc import Sequence

from components.platform.errors import ServiceError
from components.platform.progress import say
from components.platform.settings import settings

SECONDS = 10  # until the hook has answered. Capacity only: changes no result.


def raise_alarm(lines: Sequence[str]) -> None:
    """Print the alarms and post them as {"text": ...} to SHOPFUSION_DRIFT_WEBHOOK, if it is set.

    Raises:
        ServiceError: the web hook does not take them.

    """
    for line in lines:
        say(line)
    hook = settings().drift_webhook
    if hook is None or not lines:
        return
    if not hook.startswith(("http://", "https://")):
        raise ServiceError("an http address in SHOPFUSION_DRIFT_WEBHOOK", hook, "correct it")
    body = json.dumps({"text": "\n".join(lines)}).encode()
    request = urllib.request.Request(  # noqa: S310 - http or https, checked above
        hook, body, {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=SECONDS).close()  # noqa: S310
    except OSError as error:
        raise ServiceError(
            f"the web hook {hook} to take {len(lines)} alarms",
            str(error),
            "mend SHOPFUSION_DRIFT_WEBHOOK, then clear the task",
        ) from error
