"""Passwords and keys: generated once for this folder of state, readable by its owner only."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path

USER = "admin"


def _key(size: int = 32) -> str:
    return secrets.token_urlsafe(size)


def _fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@dataclass(frozen=True)
class Credentials:
    """Everything secret that the services share."""

    airflow_password: str = field(default_factory=lambda: _key(12))
    airflow_api_key: str = field(default_factory=_key)
    airflow_jwt_key: str = field(default_factory=_key)
    airflow_fernet_key: str = field(default_factory=_fernet_key)
    s3_access_key: str = field(default_factory=lambda: secrets.token_hex(10))
    s3_secret_key: str = field(default_factory=_key)
    event_key: str = field(default_factory=_key)
    admin_key: str = field(default_factory=_key)
    # A key of the person's own keeps pseudonyms equal on every machine that shares data.
    pseudonym_key: str = field(
        default_factory=lambda: os.environ.get("SHOPFUSION_PSEUDONYM_KEY") or _key()
    )


def credentials(home: Path) -> tuple[Credentials, bool]:
    """Return the credentials kept in `home`, and whether they were made just now."""
    path = home / "credentials.json"
    if path.exists():
        kept = json.loads(path.read_text())
        keys = Credentials(**kept)
        if asdict(keys) != kept:  # made by an older version: the keys it lacks are new
            write_private(path, json.dumps(asdict(keys), indent=2))
        return keys, False
    made = Credentials()
    write_private(path, json.dumps(asdict(made), indent=2))
    return made, True


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody but its owner can read, whole or not at all."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)
