import pyarrow as pa
import pytest
from pydantic import SecretStr

from components.platform import pseudonyms
from components.platform import settings as settings_module
from components.platform.settings import Settings


def with_key(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(pseudonyms, "settings", lambda: Settings(pseudonym_key=SecretStr(key)))


def test_a_pseudonym_depends_on_the_id_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with_key(monkeypatch, "one")
    first = pseudonyms.pseudonym("anna")
    assert (
        first == "55a2f05d04ef1c75796946f1d6fa1106"
    )  # printf anna | openssl dgst -sha256 -hmac one
    assert pseudonyms.pseudonym("bert") != first
    with_key(monkeypatch, "two")
    assert pseudonyms.pseudonym("anna") != first


def test_a_pseudonym_is_taken_as_it_is_and_anything_else_is_hashed() -> None:
    made = pseudonyms.pseudonym("anna")
    assert pseudonyms.pseudonym_of("anna") == made
    assert pseudonyms.pseudonym_of(made) == made
    assert pseudonyms.pseudonym_of(f"{made}\n") != made
    assert pseudonyms.pseudonym_of(made.upper()) == pseudonyms.pseudonym(made.upper())


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.int64()])
def test_ids_of_any_type_are_replaced_and_missing_ones_stay_missing(kind: pa.DataType) -> None:
    ids = pa.chunked_array([pa.array(["7", None], pa.string()).cast(kind), pa.array([], kind)])
    table = pseudonyms.pseudonymise(pa.table({"user_id": ids, "item_id": ["a", "b"]}))
    assert table["user_id"].to_pylist() == [pseudonyms.pseudonym("7"), None]
    assert table["item_id"].to_pylist() == ["a", "b"]


def test_an_empty_id_does_not_become_a_shopper() -> None:
    table = pseudonyms.pseudonymise(pa.table({"user_id": ["", "a"]}))
    assert table["user_id"].to_pylist()[0] is None


def test_the_development_key_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pseudonyms, "settings", settings_module.Settings)
    monkeypatch.delenv("SHOPFUSION_PSEUDONYM_KEY", raising=False)
    pseudonyms.warn_of_development_key()
    assert "WARNING" in capsys.readouterr().out
    with_key(monkeypatch, "secret")
    pseudonyms.warn_of_development_key()
    assert capsys.readouterr().out == ""
