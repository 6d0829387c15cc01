"""What a product is, out of its title: catalogues write maker, model, kind, then details."""

from components.shop_ranking.search.words import words_of

LONGEST = 4  # words of a kind


def product_type(title: str, brand: str, model: str = "") -> str:
    """Return the words of a title behind maker and model, up to the first detail.

    `Xerox 006R90321 toner cartridge Original Black` by Xerox is a "toner cartridge original black";
    a word with a digit is a model or a measure: before the kind it is passed over, after it ends
    it. A title of nothing else is its own kind.
    """
    known = {*words_of(brand), *words_of(model)}
    kind: list[str] = []
    for word in words_of(title):
        if word in known or any(letter.isdigit() for letter in word):
            if kind and word not in known:
                break
            kind = [] if word in words_of(model) else kind
            continue
        kind.append(word)
    return " ".join(kind[:LONGEST]) or " ".join(words_of(title)[:LONGEST])
