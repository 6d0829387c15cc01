"""The one module that knows S3."""

import base64
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from components.platform import storage
from components.platform.errors import StorageError
from components.platform.settings import settings


def test_an_empty_endpoint_in_the_environment_means_aws(monkeypatch):
    monkeypatch.setenv("SHOPFUSION_S3_ENDPOINT", "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    settings.cache_clear()
    try:
        assert storage.client().meta.endpoint_url.endswith("amazonaws.com")
    finally:
        settings.cache_clear()


def test_without_an_endpoint_in_the_environment_nobody_is_asked(monkeypatch):
    monkeypatch.delenv("SHOPFUSION_S3_ENDPOINT", raising=False)
    settings.cache_clear()
    with pytest.raises(StorageError, match="an S3 store in SHOPFUSION_S3_ENDPOINT; found none"):
        storage.get("a/key")


@pytest.mark.xdist_group("store")
def test_what_was_put_is_what_the_store_holds(bucket):
    storage.put(b"some bytes", "a/key")
    assert storage.get("a/key") == b"some bytes"
    head = storage.client().head_object(Bucket=bucket, Key="a/key", ChecksumMode="ENABLED")
    assert base64.b64decode(head["ChecksumSHA256"]) == hashlib.sha256(b"some bytes").digest()


@pytest.mark.parametrize("checksums", [True, False], ids=["keeps checksums", "keeps none"])
def test_an_etag_may_be_anything(encrypting_store, checksums):
    """As with SSE-KMS, where it is no MD5 of the object."""
    encrypting_store.checksums = checksums
    storage.put(b"some bytes", "a/key")
    assert encrypting_store.objects == {"/shop/a/key": b"some bytes"}
    assert encrypting_store.reads == (0 if checksums else 1)


@pytest.mark.parametrize("checksums", [True, False], ids=["keeps checksums", "keeps none"])
def test_a_store_that_holds_other_bytes_is_found_out(encrypting_store, checksums):
    encrypting_store.checksums = checksums
    encrypting_store.changes = True
    with pytest.raises(StorageError, match=r"expected a/key of 10 bytes .* write it again"):
        storage.put(b"some bytes", "a/key")


class EncryptingStore(ThreadingHTTPServer):
    """Keeps objects as an S3 store does that encrypts: the ETag is no MD5 of them.

    `checksums`: it keeps them, and says so; `changes`: it keeps other bytes than it was sent.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.objects: dict[str, bytes] = {}
        self.checksums, self.changes, self.reads = True, False, 0


class Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: EncryptingStore

    def do_PUT(self):
        data = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path.partition("?")[0]
        self.server.objects[path] = data[::-1] if self.server.changes else data
        self.answer(b"", {"Content-Length": "0"})

    def do_HEAD(self):
        data = self.server.objects[self.path]
        digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
        kept = {"x-amz-checksum-sha256": digest} if self.server.checksums else {}
        self.answer(b"", {"Content-Length": str(len(data)), **kept})

    def do_GET(self):
        self.server.reads += 1
        data = self.server.objects[self.path.partition("?")[0]]
        self.answer(data, {"Content-Length": str(len(data))})

    def answer(self, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        for name, value in (headers | {"ETag": '"0123456789abcdef0123456789abcdef-kms"'}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def encrypting_store(monkeypatch) -> Iterator[EncryptingStore]:
    with EncryptingStore() as store:
        thread = threading.Thread(target=store.serve_forever)
        thread.start()
        values = {
            "SHOPFUSION_S3_ENDPOINT": f"http://127.0.0.1:{store.server_port}",
            "SHOPFUSION_S3_BUCKET": "shop",
            "SHOPFUSION_S3_ACCESS_KEY": "a-key",
            "SHOPFUSION_S3_SECRET_KEY": "its-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        settings.cache_clear()
        yield store
        settings.cache_clear()
        store.shutdown()
        thread.join()
