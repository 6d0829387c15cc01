"""Keyed pseudonyms: the raw shopper id never passes this door."""

import hashlib
import hmac

import pyarrow as pa
import pyarrow.compute as pc

from components.settings import settings


def pseudonym(user_id: str) -> str:
    """Return HMAC-SHA256 of the id under the environment's key, 16 bytes as hex."""
    key = settings().pseudonym_key.get_secret_value().encode()
    return hmac.new(key, user_id.encode(), hashlib.sha256).hexdigest()[:32]


def pseudonymise(table: pa.Table) -> pa.Table:
    """Replace the column `user_id`; each distinct id is hashed once."""
    encoded = pc.dictionary_encode(table["user_id"]).combine_chunks()
    hashed = pa.array([pseudonym(str(value)) for value in encoded.dictionary.to_pylist()])
    column = hashed.take(encoded.indices)
    return table.set_column(table.column_names.index("user_id"), "user_id", column)
