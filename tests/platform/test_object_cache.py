"""What S3 is asked for once, on a real store."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from components.platform import object_cache, storage
from components.platform.errors import StorageError
from components.platform.feedback.partitions import read_parquet
from components.platform.feedback.segments import fetch
from components.platform.feedback.served_events import EVENTS, LABELLED, snapshot
from components.platform.retraining import read_fed_back
from tests.platform.feedback.test_served_events import served, write

pytestmark = pytest.mark.xdist_group("store")


@pytest.fixture
def downloads(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Counter:
    """How often each object was asked for."""
    real, counted = storage.client(), Counter()

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def get_object(self, **asked: Any) -> Any:
            counted[asked["Key"]] += 1
            return real.get_object(**asked)

        def download_file(self, bucket: str, key: str, path: str) -> None:
            counted[key] += 1
            real.download_file(bucket, key, path)

    monkeypatch.setattr(storage, "client", Counting)
    return counted


def test_every_reader_of_feedback_shares_one_download(downloads: Counter, tmp_path: Path):
    for file in write(tmp_path / "feedback", served(event_id="a", item_id="i")).rglob("*.parquet"):
        key = str(file.relative_to(tmp_path))
        storage.put(file.read_bytes(), key)
        storage.put(file.read_bytes(), key.replace(EVENTS, LABELLED))
    for name in ("drift", "counterfactual"):
        for file in (EVENTS, LABELLED):
            assert snapshot("s3:feedback/", tmp_path / name, file) == 1
    read_fed_back("s3:feedback/", None)  # retraining
    (key,) = [item.key for item in storage.stored("feedback/") if item.key.endswith(EVENTS)]
    assert read_parquet(key).num_rows == 1
    assert read_parquet(key.replace(EVENTS, LABELLED)).num_rows == 1
    assert downloads == {key: 1, key.replace(EVENTS, LABELLED): 1}
    copy = tmp_path / "drift" / Path(key).parent.name / EVENTS
    assert copy.read_bytes() == storage.get(key)


def test_a_segment_is_downloaded_once_for_all_runs_of_ingestion(downloads: Counter, tmp_path: Path):
    key = "events/segments/1.jsonl"
    storage.put(b"{}", key)
    for run in ("one night", "the next"):
        (tmp_path / run).mkdir()
        for _ in range(2):
            (path,) = fetch([key], tmp_path / run)
            assert path.read_bytes() == b"{}"
    assert downloads == {key: 1}


def test_an_object_that_was_replaced_is_downloaded_again(downloads: Counter, tmp_path: Path):
    for content in (b"one", b"two", b"longer"):
        storage.put(content, "feedback/day=2024-01-01/events.parquet")
        for _ in range(2):
            assert object_cache.read("feedback/day=2024-01-01/events.parquet") == content
    assert downloads == {"feedback/day=2024-01-01/events.parquet": 3}
    kept = [path for path in storage.settings().home.rglob("*") if path.is_file()]
    assert sorted(path.name == "lock" for path in kept) == [False, True]  # the newest state alone


def test_readers_at_the_same_time_share_one_download(downloads: Counter):
    storage.put(b"content" * 10_000, "feedback/all")
    read: list[bytes] = []
    readers = [
        threading.Thread(target=lambda: read.append(object_cache.read("feedback/all")))
        for _ in range(8)
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert read == [b"content" * 10_000] * 8
    assert downloads == {"feedback/all": 1}


def test_an_object_that_is_not_there_is_named(downloads: Counter):
    storage.put(b"longer name", "feedback/all.parquet")
    with pytest.raises(StorageError, match="expected an object feedback/all in S3; found none"):
        object_cache.read("feedback/all")


def test_a_download_that_breaks_leaves_nothing(downloads: Counter, monkeypatch):
    storage.put(b"content", "feedback/all")
    real = storage.download

    def breaks(key: str, path: Path) -> None:
        path.write_bytes(b"cont")
        raise StorageError("all bytes", "a few", "again")

    monkeypatch.setattr(storage, "download", breaks)
    with pytest.raises(StorageError, match="a few"):
        object_cache.read("feedback/all")
    monkeypatch.setattr(storage, "download", real)
    assert object_cache.read("feedback/all") == b"content"
