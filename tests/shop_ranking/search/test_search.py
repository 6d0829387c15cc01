"""Search pieces on a shop of a few products."""

import numpy as np
import pytest

from components.shop_ranking.params import SearchParams
from components.shop_ranking.search.fields import FieldIndex, Postings
from components.shop_ranking.search.hybrid import HybridSearch, reciprocal_ranks
from components.shop_ranking.search.product_type import product_type
from components.shop_ranking.search.spelling import nearest_word
from components.shop_ranking.search.words import singular, words_of

TITLES = ["Acme laptop bag black", "Acme X200 laptop 15 inch", "Zen headset", "Zen power bank"]
INDEX = FieldIndex({"title": TITLES, "brand": ["Acme", "Acme", "Zen", "Zen"]})


@pytest.mark.parametrize(
    ("word", "stem"),
    [("speakers", "speaker"), ("batteries", "battery"), ("boxes", "box"), ("glass", "glass"),
     ("bus", "bus"), ("cases", "case"), ("aas", "aas")],
)  # fmt: skip
def test_plurals(word: str, stem: str) -> None:
    assert singular(word) == stem


def test_words_have_no_accents_and_no_capitals() -> None:
    assert words_of("Crème BRÛLÉE, 2x") == ["creme", "brulee", "2x"]


@pytest.mark.parametrize(
    ("title", "brand", "model", "kind"),
    [
        ("Xerox 006R90321 toner cartridge Original Black 6 pc(s)", "Xerox", "006R90321",
         "toner cartridge original black"),
        ('HP Pavilion dv7-1211ea Notebook Silver 43.2 cm (17")', "HP", "dv7-1211ea",
         "notebook silver"),
        ("Acme 3000", "Acme", "", "acme 3000"),
    ],
)  # fmt: skip
def test_a_kind_stands_behind_maker_and_model(
    title: str, brand: str, model: str, kind: str
) -> None:
    assert product_type(title, brand, model) == kind


def test_spelling_is_corrected_and_two_words_may_be_one() -> None:
    assert INDEX.understood("laptpo") == ["laptop"]
    assert "headset" in INDEX.understood("head set")
    assert INDEX.understood("x201") == ["x201"]  # a model number is never corrected


@pytest.mark.parametrize(
    ("word", "nearest"),
    [
        ("hedset", "headset"),  # one letter dropped
        ("headsset", "headset"),  # one inserted; of eight letters two slips are forgiven
        ("haedset", "headset"),  # two swapped count as one
        ("cabel", "cable"),
        ("camle", "cable"),  # of cable and camel, both one slip away, the one more in use
        ("tonor", "toner"),
        ("tanar", None),  # two slips in five letters
        ("bax", None),  # too short to tell a slip from another word
        ("m4251", None),  # a model
        ("spaceship", None),
    ],
)
def test_the_nearest_word_by_hand(word: str, nearest: str | None) -> None:
    uses = {"headset": 3, "cable": 9, "camel": 2, "toner": 5, "bag": 7, "m4250": 4}
    assert nearest_word(word, list(uses), uses.__getitem__) == nearest
    assert nearest_word(word, [], uses.__getitem__) is None


def test_a_field_ranks_by_its_own_words() -> None:
    scores = INDEX.scores(["laptop"])
    assert (scores["title"] > 0).tolist() == [True, True, False, False]
    assert not scores["brand"].any()
    assert (INDEX.scores(["zen"])["brand"] > 0).tolist() == [False, False, True, True]


def test_reciprocal_ranks_by_hand() -> None:
    first = np.array([3.0, 2.0, 0.0], np.float32)
    second = np.array([0.0, 1.0, 2.0], np.float32)
    fused = reciprocal_ranks([first, second], 3)
    assert fused == pytest.approx([1 / 61, 1 / 62 + 1 / 62, 1 / 61])


def test_feedback_finds_what_looks_like_the_first_answers() -> None:
    vectors = np.eye(4, dtype=np.float32)
    vectors[2] = vectors[1]  # the headset means the same as the laptop here
    search = HybridSearch(
        INDEX, {"text": vectors}, proposing=("whole", "dense text"), feedback="text"
    )
    scores = search.everything("laptop", {"text": vectors[1]})
    assert scores["named"].tolist() == [1, 1, 0, 0]
    assert scores["feedback"][2] > scores["feedback"][3]
    candidates = search.find("laptop", {"text": vectors[1]})
    assert candidates.rows.tolist() == [0, 1, 2]  # two by their words, one by what it means
    assert candidates.features.shape == (3, 2 * len(scores))
    named = 2 * list(scores).index("named")
    assert candidates.features[:, named].tolist() == [1, 1, 0]


def test_the_search_takes_its_values_from_params() -> None:
    uses = {"headset": 3, "camel": 2}
    assert nearest_word("camul", list(uses), uses.__getitem__, SearchParams()) == "camel"
    strict = SearchParams(corrected_letters=6)
    assert nearest_word("camul", list(uses), uses.__getitem__, strict) is None
    texts = [["laptop"], ["laptop", "case", "blue", "thin"]]
    even = Postings.of(texts, SearchParams(bm25_b=0.0)).scores(["laptop"])
    assert even[0] == even[1]
    held_against = Postings.of(texts).scores(["laptop"])
    assert held_against[0] > held_against[1]
