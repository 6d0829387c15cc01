"""The log: what it keeps, what it refuses, and what a crash leaves behind."""

import asyncio
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.platform import storage
from components.platform.errors import ServiceError, StorageError
from components.platform.serving.segments import (
    PREFIX,
    framed,
    key_of,
    records_of,
    shipped_form,
    whole_lines,
)
from components.server.events.log import EventLog, SpoolFull
from components.server.events.recovery import MOST_FAILURES, recovered_segments
from components.server.events.shipper import Shipper
from tests.platform.feedback.test_ingestion import START
from tests.stages import full_disk
from tests.waiting import wait_until

MEGABYTE = 1 << 20
SECONDS = 60  # that an event is waited for at most


def click(event_id: str, kind: str = "click") -> dict:
    return {"event_id": event_id, "event_type": kind, "item_id": "milk"}


def clicks(first: int, last: int) -> list[dict]:
    return [click(str(n)) for n in range(first, last)]


def content(folder: Path) -> list[str]:
    """Return the ids of every record that lies in a spool."""
    paths = sorted(folder.glob("*.jsonl"))
    lines = [line for path in paths for line in whole_lines(path.read_bytes())]
    return [line.split(b'"')[3].decode() for line in lines]


@pytest.fixture
def log(tmp_path: Path):
    opened = EventLog.open(tmp_path, MEGABYTE)
    yield opened
    opened.close()


def test_a_second_copy_is_counted_and_not_written(log, tmp_path):
    heard = []
    log.subscribe(heard.extend)
    assert log.append([click("a"), click("b"), click("a")], durable=True) == 2
    assert log.append([click("b"), click("c")], durable=True) == 1
    assert content(tmp_path) == ["a", "b", "c"]
    assert [event["event_id"] for event in heard] == ["a", "b", "c"]


def test_a_subscriber_that_fails_loses_nothing(log, tmp_path, capsys):
    heard = []
    log.subscribe(lambda records: 1 / 0)
    log.subscribe(heard.extend)
    assert log.append([click("a")], durable=True) == 1
    assert heard
    assert content(tmp_path) == ["a"]
    assert "ZeroDivisionError" in capsys.readouterr().out


def test_ids_are_known_again_after_a_restart(tmp_path):
    first = EventLog.open(tmp_path, MEGABYTE)
    first.append(clicks(0, 3), durable=True)
    first.close()
    second = EventLog.open(tmp_path, MEGABYTE)
    assert second.append(clicks(0, 5), durable=True) == 2
    second.close()
    assert content(tmp_path) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("torn", [b"deadbeef {", b"00000000 {}\n", b"\0" * 300, b"\n\n"])
def test_what_a_crash_tore_is_left_out_and_the_rest_is_kept(tmp_path, torn):
    first = EventLog.open(tmp_path, MEGABYTE)
    first.append(clicks(0, 3), durable=True)
    first.close()
    (path,) = tmp_path.glob("*.jsonl")
    with path.open("ab") as file:
        file.write(torn)
    second = EventLog.open(tmp_path, MEGABYTE)
    second.append(clicks(3, 5), durable=True)
    second.close()
    assert content(tmp_path) == ["0", "1", "2", "3", "4"]
    assert torn.strip(b"\n") not in path.read_bytes() or not torn.strip(b"\n")


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_segment_cut_anywhere_loses_its_last_line_alone(tmp_path, cut):
    data = framed(clicks(0, 3))
    (tmp_path / "abcd-000000000000.jsonl").write_bytes(data[: len(data) - cut])
    opened = EventLog.open(tmp_path, MEGABYTE)
    opened.close()
    assert content(tmp_path) == [str(n) for n in range(3 - -(-cut // (len(data) // 3)))]


def test_sequences_never_come_twice(tmp_path):
    names = set()
    for n in range(4):
        opened = EventLog.open(tmp_path, MEGABYTE)
        opened.append(clicks(2 * n, 2 * n + 2), durable=True)
        opened.roll(0, 0)
        for path in opened.closed():
            assert path.name not in names
            names.add(path.name)
            opened.drop(path)
        opened.close()
    assert len(names) == 4


def test_a_full_spool_takes_nothing_of_a_batch_and_takes_it_later(tmp_path):
    opened = EventLog.open(tmp_path, 2000)
    opened.append(clicks(0, 10), durable=True)
    with pytest.raises(SpoolFull, match="a spool of at most 2,000 bytes"):
        opened.append(clicks(5, 60), durable=True)
    opened.roll(0, 0)
    (path,) = opened.closed()
    opened.drop(path)
    assert opened.append(clicks(5, 30), durable=True) == 20  # 5 to 9 are known, the rest is new
    opened.close()


def test_a_disk_that_refuses_leaves_no_half_line_and_no_memory_of_the_event(log, tmp_path):
    log.append([click("a")], durable=True)
    refused = pytest.raises(StorageError, match="File too large")
    with full_disk(log.size + 10), refused:  # ten bytes of the line are written
        log.append([click("b")], durable=True)
    assert log.append([click("b")], durable=True) == 1
    assert content(tmp_path) == ["a", "b"]


def test_a_disk_that_cannot_sync_acknowledges_nothing_ever_again(log, monkeypatch):
    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StorageError, match="Input/output error"):
        log.append([click("a")], durable=True)
    monkeypatch.undo()
    with pytest.raises(StorageError, match="Input/output error"):
        log.append([click("b")], durable=True)


def test_one_sync_serves_all_who_wait(log, tmp_path, monkeypatch):
    syncs, real, gate = [], os.fsync, threading.Event()

    def slow(fd):
        syncs.append(fd)
        gate.wait(SECONDS)
        real(fd)

    monkeypatch.setattr(os, "fsync", slow)
    threads = [threading.Thread(target=log.append, args=([click(str(n))], True)) for n in range(20)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(content(tmp_path)) == 20, "every record written")
    gate.set()
    for thread in threads:
        thread.join()
    assert len(syncs) <= 3


def test_nobody_waits_for_durability_that_has_not_come(log, monkeypatch):
    gate, real = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: gate.wait(SECONDS) and real(fd))
    log.append([click("a")], durable=False)
    future = log.committed()
    assert not future.done()
    gate.set()
    future.result(SECONDS)
    assert log.committed().done()


def test_who_writes_does_not_wait_while_a_segment_is_closed(log, tmp_path, monkeypatch):
    gate, reached, real = threading.Event(), threading.Event(), os.fsync

    def slow(descriptor):
        reached.set()
        gate.wait(SECONDS)
        real(descriptor)

    log.append([click("a")], durable=True)
    monkeypatch.setattr(os, "fsync", slow)
    closing = threading.Thread(target=log.roll, args=(0, 0))
    closing.start()
    assert reached.wait(SECONDS)
    assert log.append([click("b", "impression")], durable=False) == 1
    late = log.committed()  # the new segment's name is not durable yet
    assert not gate.is_set()
    assert not late.done()
    gate.set()
    late.result(SECONDS)
    closing.join(SECONDS)
    assert content(tmp_path) == ["a", "b"]


def test_a_client_that_goes_away_stops_nobody_else(log, monkeypatch):
    gate, real = threading.Event(), os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: gate.wait(SECONDS) and real(fd))
    log.append([click("a")], durable=False)

    async def leave():
        waiting = asyncio.ensure_future(asyncio.wrap_future(log.committed()))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave())
    gate.set()
    assert log.append([click("b")], durable=True) == 1


def test_a_spool_has_one_server(log, tmp_path):
    with pytest.raises(ServiceError, match="another server"):
        EventLog.open(tmp_path, MEGABYTE)


def shipped() -> list[str]:
    keys = [segment.key for segment in storage.stored(PREFIX)]
    return [record["event_id"] for key in keys for record in records_of(storage.get(key))]


@pytest.mark.xdist_group("store")
def test_a_crash_between_upload_and_deletion_doubles_nothing(bucket, tmp_path):
    log = EventLog.open(tmp_path, MEGABYTE)
    log.append(clicks(0, 5), durable=True)
    log.roll(0, 0)
    (path,) = log.closed()
    data = path.read_bytes()
    assert Shipper(log).ship() == 1
    assert not path.exists()
    before = [(segment.key, storage.get(segment.key)) for segment in storage.stored(PREFIX)]
    log.close()
    path.write_bytes(data)  # as if the server had been killed before it deleted the file
    log = EventLog.open(tmp_path, MEGABYTE)
    log.append(clicks(5, 8), durable=True)
    log.roll(0, 0)
    assert Shipper(log).ship() == 2
    assert before[0] in [
        (segment.key, storage.get(segment.key)) for segment in storage.stored(PREFIX)
    ]
    assert sorted(shipped()) == [str(n) for n in range(8)]
    assert log.size == 0
    log.close()


@pytest.mark.xdist_group("store")
def test_a_segment_is_deleted_only_when_the_store_holds_the_same_bytes(bucket, log, monkeypatch):
    log.append(clicks(0, 5), durable=True)
    log.roll(0, 0)

    store = storage.client()

    class Lossy:
        def __getattr__(self, name):
            return getattr(store, name)

        def put_object(self, **given):
            return store.put_object(**{**given, "Body": given["Body"][:-1]})

    monkeypatch.setattr(storage, "client", Lossy)
    with pytest.raises(StorageError, match="write it again"):
        Shipper(log).ship()
    assert len(log.closed()) == 1
    monkeypatch.undo()
    assert Shipper(log).ship() == 1


@pytest.mark.xdist_group("store")
def test_a_server_that_starts_learns_each_record_once(bucket, log):
    log.append(clicks(0, 3), durable=True)
    log.roll(0, 0)
    Shipper(log).ship()
    log.append(clicks(3, 5), durable=True)
    log.roll(0, 0)
    (path,) = log.closed()
    storage.put(shipped_form(path.read_bytes()), key_of(path))  # there and here
    log.append(clicks(5, 6), durable=True)
    event_ids = [
        record["event_id"] for records in recovered_segments(log, START) for record in records
    ]
    assert event_ids == [str(n) for n in range(6)]


def test_while_the_store_is_away_what_lies_here_has_to_do(no_store, log, capsys):
    log.append(clicks(0, 2), durable=True)
    assert [len(records) for records in recovered_segments(log, START)] == [2]
    assert "not known to this server" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kept_back", "known"), [(MOST_FAILURES - 1, ["s3", "here"]), (MOST_FAILURES, ["here"])]
)
def test_segments_that_the_store_keeps_back_are_not_in_the_way_until_it_must_be_away(
    log, monkeypatch, capsys, kept_back, known
):
    keys = [f"{PREFIX}a-{n:012d}.jsonl.gz" for n in range(kept_back + 1)]
    log.append(clicks(9, 10), durable=True)
    there = shipped_form(framed([click("s3")]))

    def get(key: str) -> bytes:
        if key == keys[-1]:
            return there
        raise StorageError("the object", "a connection that broke", "ask again")

    listed = [storage.Stored(key, 1, datetime.now(UTC), "etag") for key in keys]
    monkeypatch.setattr(storage, "stored", lambda prefix: listed)
    monkeypatch.setattr(storage, "get", get)
    event_ids = [
        record["event_id"] for records in recovered_segments(log, START) for record in records
    ]
    assert event_ids == [place.replace("here", "9") for place in known]
    assert capsys.readouterr().out.count("not known to this server") == kept_back


@pytest.mark.xdist_group("store")
def test_a_segment_that_cannot_be_read_is_not_in_the_way_of_the_others(bucket, log, capsys):
    log.append(clicks(0, 2), durable=True)
    log.roll(0, 0)
    Shipper(log).ship()
    storage.put(b"no gzip", f"{PREFIX}broken-000000000000.jsonl.gz")
    storage.put(b"\x1f\x8b\x08", f"{PREFIX}torn-000000000000.jsonl.gz")
    log.append(clicks(2, 3), durable=True)
    (log.folder / f"{log.spool}-000000000099.jsonl").mkdir()
    event_ids = [
        record["event_id"] for records in recovered_segments(log, START) for record in records
    ]
    assert event_ids == ["0", "1", "2"]
    said = capsys.readouterr().out
    for name in ("broken-", "torn-", "000000000099"):
        assert name in said
    (log.folder / f"{log.spool}-000000000099.jsonl").rmdir()
