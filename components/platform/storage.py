"""S3 behind one module: nothing else imports boto3."""

import hashlib
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from components.platform.errors import StorageError
from components.platform.settings import Settings, settings

# What stores answer where an object is not the one that its checksum is of.
OTHER_BYTES = {"BadDigest", "InvalidDigest", "XAmzContentChecksumMismatch"}


@dataclass(frozen=True)
class Stored:
    """One object of the bucket."""

    key: str
    size: int
    modified: datetime  # by the store's clock
    etag: str  # another one for other bytes; what it is made of is the store's affair


def client() -> Any:
    """Return an S3 client for the endpoint and keys of the environment; threads may share it.

    Raises:
        StorageError: the environment names no store.

    """
    store = settings()
    if not store.has_store:
        raise StorageError(
            "an S3 store in SHOPFUSION_S3_ENDPOINT", "none", "set it; to nothing for AWS"
        )
    return _client(store)


@lru_cache(maxsize=8)
def _client(store: Settings) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=store.s3_endpoint or None,
        aws_access_key_id=store.s3_access_key and store.s3_access_key.get_secret_value(),
        aws_secret_access_key=store.s3_secret_key and store.s3_secret_key.get_secret_value(),
        config=Config(
            retries={"total_max_attempts": store.s3_attempts, "mode": "standard"},
            connect_timeout=5,
            read_timeout=60,
        ),
    )


def ensure_bucket(name: str) -> None:
    """Create the bucket unless it is there.

    Raises:
        StorageError: the store cannot be reached or refuses the keys.

    """
    store = client()
    try:
        store.head_bucket(Bucket=name)  # keys of one bucket may not list them all
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != HTTPStatus.NOT_FOUND:
            raise _refused(error) from error
        _create(name)
    except BotoCoreError as error:
        raise _refused(error) from error


def _create(bucket: str) -> None:
    try:
        client().create_bucket(Bucket=bucket)
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from error


def upload(path: Path, key: str) -> None:
    """Copy one local file to the bucket of the environment.

    Raises:
        StorageError: the store cannot be reached or refuses the write.

    """
    try:
        client().upload_file(str(path), settings().s3_bucket, key)
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from error


def put(data: bytes, key: str) -> None:
    """Write one object whole and confirm that the store holds exactly these bytes.

    The store compares a SHA-256 with what arrives and keeps it; the ETag says nothing where it
    encrypts (SSE-KMS). An object of a store that keeps no checksums is read back.

    Raises:
        StorageError: the store cannot be reached, refuses the write, or holds something else.

    """
    checksum, bucket = _sha256(data), settings().s3_bucket
    try:
        client().put_object(Bucket=bucket, Key=key, Body=data, ChecksumSHA256=checksum)
        head = client().head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in OTHER_BYTES:
            raise _other_bytes(key, data, "other bytes arrived") from error
        raise _refused(error) from error
    except BotoCoreError as error:
        raise _refused(error) from error
    held = head.get("ChecksumSHA256") or _sha256(get(key))
    if (head["ContentLength"], held) != (len(data), checksum):
        raise _other_bytes(key, data, f"{head['ContentLength']} bytes with SHA-256 {held}")


def _sha256(data: bytes) -> str:
    """Return the checksum as S3 writes it, in base64."""
    return b64encode(hashlib.sha256(data).digest()).decode()


def _other_bytes(key: str, data: bytes, stored: str) -> StorageError:
    return StorageError(
        f"{key} of {len(data)} bytes with SHA-256 {_sha256(data)}", stored, "write it again"
    )


def get(key: str) -> bytes:
    """Read one object.

    Raises:
        StorageError: there is none, or the store cannot be reached.

    """
    try:
        answer = client().get_object(Bucket=settings().s3_bucket, Key=key)
        content: bytes = answer["Body"].read()
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from error
    return content


def stored(prefix: str) -> list[Stored]:
    """Return what lies below a prefix, in the order of keys; nothing where no bucket is.

    Raises:
        StorageError: the store cannot be reached or refuses the keys.

    """
    asked = {"Bucket": settings().s3_bucket, "Prefix": prefix}
    try:
        pages = client().get_paginator("list_objects_v2").paginate(**asked)
        return [
            Stored(entry["Key"], entry["Size"], entry["LastModified"], entry["ETag"])
            for page in pages
            for entry in page.get("Contents", [])
        ]
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            return []
        raise _refused(error) from error
    except BotoCoreError as error:
        raise _refused(error) from error


def download(key: str, path: Path) -> None:
    """Copy one object to a file.

    Raises:
        StorageError: there is none, or the store cannot be reached or refuses the keys.

    """
    try:
        client().download_file(settings().s3_bucket, key, str(path))
    except (BotoCoreError, ClientError) as error:
        raise _refused(error) from error


def _refused(error: Exception) -> StorageError:
    return StorageError(
        f"an S3 store at {settings().s3_endpoint or 'AWS'}",
        " ".join(str(error).split()),
        "check SHOPFUSION_S3_ENDPOINT and its keys, and that the store is up",
    )
