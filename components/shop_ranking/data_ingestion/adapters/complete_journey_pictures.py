"""How a Complete Journey product looks, decided from its text columns: it has no photograph."""

import math
import re
from functools import lru_cache
from typing import NamedTuple

from components.shop_ranking.data_ingestion.pictures.drawing import (
    EMBLEMS,
    PATTERNS,
    RGB,
    SCALES,
    Picture,
    colour_of,
    pick,
)

# First match on "DEPARTMENT|CATEGORY|TYPE" decides.
FORM_RULES = (
    ("bouquet", r"^FLORAL|BOUQUET|ROSES|^GARDEN"),
    ("card", r"CARDS|MAGAZINE|NEWSPAPER|BOOK|STATIONERY|TICKETS|GIFT.?WRAP|COUPON|DVD|VIDEO"),
    ("roll", r"TOILET TISSUE|PAPER TOWEL|FOIL|PLASTIC WRAP|WAX PAPER|TAPE"),
    ("tube", r"TOOTHPASTE|OINTMENT|^COSMETICS|LIPCARE|ACNE|FIRST AID|SUNTAN|HYDROCORT"),
    ("carton", r"EGG NOG|CHOCOLATE MILK|MISCELLANEOUS MILK|CREAMERS|DAIRY CASE|SOY.* MILK|ASEPTIC"),
    ("jug", r"FLUID MILK|BLEACH|LIQUID LAUNDRY|SOFTENER LIQ|SPRING WATER|CIDER"),
    ("loaf", r"BREAD\b|BUNS|BAGELS|TORTILLAS|MUFFINS|ROLLS: |^PASTRY\|(BREAD|ROLLS)"),
    ("bag", r"BAG SNACK|CHIPS|PRETZEL|BAGGED|CANDY BAG|SUGAR\b|FLOUR|DRY CAT|DRY DOG|LITTER"),
    ("bag", r"SALAD MIX|SHREDDED|SALAD SPIN|ICE - CRUSHED|CHARCOAL|POTATOES RUSSET|DIAPER|COOKIES"),
    (
        "can",
        r"CAN CAR|CANNED|CAN (DOG|CAT)|\bCAN\b|CANS|SOUP|SHELF STABLE|BEERS|TUNA|GROUND COFFEE",
    ),
    (
        "bottle",
        r"SOFT DRINKS|SFT DRNK|ISOTONIC|WATER|WINE|LIQUOR|SALAD DRESS|CATSUP|SAUCE|SYRUP|OIL",
    ),
    (
        "bottle",
        r"SHAMPOO|CONDITIONERS|BODY WASH|LIQUID|LOTION|HAIR|CLEAN|DETERGENT|JUICE|DRINK|TEA ",
    ),
    ("jar", r"PNT BTR|PICKLE|OLIVES|BABY FOOD|JELLY|JAM|SPICE|PASTA SAUCE|MUSTARD|MAY|SALSA|HONEY"),
    ("jar", r"VITAMIN|ANALGESIC|COLD AND FLU|ANTI.?ACID|LAXATIVE|ALLERGY|\bNUTS|INSTANT COFFEE"),
    ("cup", r"YOGURT|PUDDING|CUPS|FRUIT BOWL|GELATIN"),
    ("tub", r"MARGARINE|SOUR CREAM|COTTAGE|RICOTTA|CREAM CHEESE|ICE CREAM|SHERB|DIPS|TOPPING"),
    ("tub", r"^DELI\|SALADS|PROTIEN SALAD|POTATO SALAD|COLESLAW|HUMMUS|LUNCH COMBO|PAILS|PINTS"),
    ("bar", r"CANDY BAR|GUM|CHECKLANE|GRANOLA|BARS|BUTTER\||SOAP|STICK"),
    ("tray", r"^MEAT|^SEAFOOD|^DELI|CUT FRUIT|BACON|SAUSAGE|HOT DOGS|MUSHROOM|SUSHI|BERRIES"),
    ("leaves", r"LETTUCE|CABBAGE|GREENS|SPINACH|BROCCOLI|CAULIFLOWER|CELERY|HERBS|ASPARAGUS|KALE"),
    ("fruit", r"^PRODUCE\|(?!NUTS|POPCORN|PROCESSED|DRIED)|^SALAD BAR"),
    ("box", r""),
)
# What is inside, first match decides; anything else gets a colour of its own from its type.
CONTENT_RULES: tuple[tuple[RGB, str], ...] = (
    ((92, 52, 30), r"CHOC|COFFEE|COCOA|BROWNIE|COLA|GRAVY|BBQ|PRUNE|RAISIN|DATES"),
    ((214, 40, 50), r"STRAWBERR|TOMATO|CATSUP|APPLES RED|CHERR|SALSA|PEPPERS RED|CRANBERR|RASPB"),
    ((232, 150, 150), r"HAM\b|BOLOGNA|BACON|HOT DOG|PORK|SAUSAGE|LUNCHMEAT|SHRIMP|SALMON"),
    ((168, 40, 46), r"BEEF|STEAK|^MEAT\||ANGUS|CHILI"),
    ((240, 206, 160), r"CHICKEN|POULTRY|TURKEY|CHIX|SEAFOOD|FISH|TUNA"),
    (
        (248, 214, 60),
        r"BANANA|LEMON|CORN\b|CHEESE|MUSTARD|BUTTER|MARGARINE|PINEAPPLE|SQUASH|POPCORN",
    ),
    (
        (240, 140, 30),
        r"ORANGE|CARROT|CLEMENTINE|TANGERINE|PEACH|CANTALOUPE|SWEET&YAM|PUMPKIN|MANGO",
    ),
    (
        (90, 160, 60),
        r"LETTUCE|BROCCOLI|GREEN|SALAD|CELERY|CUCUMBER|SPINACH|PEAS|PICKLE|LIME|AVOCADO",
    ),
    ((110, 60, 140), r"GRAPE|BLUEBERR|BLACKBERR|PLUM|WINE"),
    (
        (250, 248, 240),
        r"MILK|CREAM|YOGURT|RICE|SUGAR|FLOUR|EGGS|TISSUE|TOWEL|COTTAGE|MUSHROOM|ONIONS",
    ),
    (
        (204, 160, 100),
        r"BREAD|BUNS|ROLLS|CEREAL|CRACKER|COOKIE|POTATO|CHIPS|PASTA|NOODLE|PIZZA|NUT",
    ),
    ((90, 180, 230), r"WATER|ICE\b|DETERGENT|CLEAN|BLEACH|SOAP"),
)
OUNCES = {"OZ": 1.0, "LB": 16.0, "L": 33.8, "ML": 0.0338, "PT": 16.0, "QT": 32.0, "GA": 128.0}
OUNCES |= {"GAL": 128.0, "CT": 1.5, "PK": 12.0, "GM": 0.035, "KG": 35.3}
SMALL_OUNCES, LARGE_OUNCES = 8.0, 24.0


class Look(NamedTuple):
    """The text columns a picture is decided from, empty where unknown."""

    department: str
    category: str
    kind: str
    brand: str
    manufacturer: str
    size: str


def picture_of(look: Look) -> Picture:
    """Return the picture of one product.

    The form comes from the category, body and band from the manufacturer, label from the brand
    (private label is plain white), the emblem and its colour from the product type.
    """
    form, content = _form_and_content(f"{look.department}|{look.category}|{look.kind}")
    private, maker = look.brand == "Private", look.manufacturer
    return Picture(
        form=form,
        body=colour_of(f"body {maker}"),
        label=(250, 249, 244) if private else colour_of(f"label {maker}", 0.28, 0.97),
        band=colour_of(f"band {maker}", 0.75, 0.65),
        content=content,
        pattern="band" if private else pick(f"pattern {maker}", PATTERNS),
        emblem=pick(look.kind or look.category or look.department, EMBLEMS),
        scale=_scale(look.size),
        size=look.size[:14],
    )


@lru_cache(maxsize=8192)
def _form_and_content(path: str) -> tuple[str, RGB]:
    form = next(name for name, rule in FORM_RULES if re.search(rule, path))
    known = (colour for colour, rule in CONTENT_RULES if re.search(rule, path))
    return form, next(known, None) or colour_of(path, 0.55, 0.85)


@lru_cache(maxsize=8192)
def _scale(size: str) -> float:
    """Small, middle or large package, by what it holds ("14.5 OZ", "2 L"); middle when unknown."""
    match = re.match(r"([\d.]+)\s*([A-Z]+)", size)
    if not match or match[2] not in OUNCES or not math.isfinite(float(match[1].strip(".") or 0)):
        return SCALES[1]
    ounces = float(match[1].strip(".") or 0) * OUNCES[match[2]]
    return SCALES[0] if ounces < SMALL_OUNCES else SCALES[1 if ounces < LARGE_OUNCES else 2]
