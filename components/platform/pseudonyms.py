"""Keyed pseudonyms: the raw user id is replaced where data comes in."""

import hashlib
import hmac
import re

import pyarrow as pa
import pyarrow.compute as pc

from components.platform.progress import say
from components.platform.settings import Settings, settings

PSEUDONYM = re.compile(r"[0-9a-f]{32}")


def pseudonym(user_id: str) -> str:
    """Return HMAC-SHA256 of the id under the environment's key, 16 bytes as hex."""
    key = settings().pseudonym_key.get_secret_value().encode()
    return hmac.new(key, user_id.encode(), hashlib.sha256).hexdigest()[:32]


def pseudonym_of(user_id: str) -> str:
    """Return the pseudonym of an id that comes from outside; a pseudonym is taken as it is.

    So a caller may send either, and an answer's own pseudonym leads back to the same user.
    """
    return user_id if PSEUDONYM.fullmatch(user_id) else pseudonym(user_id)


def pseudonymise(table: pa.Table) -> pa.Table:
    """Replace the column `user_id` if there is one; each distinct id is hashed once.

    An empty id stays missing: hashed, it would pass for a user.
    """
    if "user_id" not in table.column_names:
        return table
    encoded = pc.dictionary_encode(table["user_id"]).combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # no rows at all
        return table
    ids = [str(value) for value in encoded.dictionary.to_pylist()]
    hashed = pa.array([pseudonym(text) if text else None for text in ids], pa.string())
    index = table.column_names.index("user_id")
    return table.set_column(index, "user_id", hashed.take(encoded.indices))


def warn_of_development_key() -> None:
    """Say loudly that anyone who reads the source can undo the pseudonyms."""
    default = Settings.model_fields["pseudonym_key"].default
    if settings().pseudonym_key == default:
        say(
            "WARNING: user ids are hashed with the public development key. Anyone can reverse "
            "these pseudonyms. Set SHOPFUSION_PSEUDONYM_KEY to a secret before using real data."
        )
