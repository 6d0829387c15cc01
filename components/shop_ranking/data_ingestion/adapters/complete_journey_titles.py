"""Readable titles from Complete Journey's till abbreviations, because the text tower reads them.

"SFT DRNK 2 LITER BTL CARB INCL", "2 L", "Private" -> "Soft drink 2 liter bottle carbonated, 2 L,
private label".
"""

import re

# Words the till glued together or cut, restored before anything else.
PHRASES = {
    "BEERALEMALT LIQUORS": "BEER/ALE/MALT LIQUORS",
    "BEERALE ": "BEER/ALE ",
    "SAUCESSALSAPICANTEE": "SAUCES SALSA PICANTE",
    "CTLRYTBLCLTHSTTHPKSST": "CUTLERY TABLECLOTHS TOOTHPICKS STRAWS",
    "SARANETC.": "",
    "CRABETC": "CRAB",
    "WHEAT/MULTIGRAIN BR": "WHEAT/MULTIGRAIN BREAD",
    "HOMESTYLE ET": "HOMESTYLE",
    "ENTREES/DNRS/N": "ENTREES/DINNERS",
    "ENTREES/DNRS/T": "ENTREES/DINNERS",
    "SALAD DRESSING MAY": "SALAD DRESSING MAYONNAISE",
    "DRNKING/MNERAL WATE": "DRINKING/MINERAL WATER",
    "DRNKNG/MNRL WAT": "DRINKING/MINERAL WATER",
    "COMPACTOR BA": "COMPACTOR BAGS",
    "PAPER HANDKE": "PAPER HANDKERCHIEFS",
    "100% PURE JUICE - O": "100% PURE ORANGE JUICE",
    "CHIP/P": "CHIPS",
    "BREADED PREPARED CHICK": "BREADED PREPARED CHICKEN",
    "W/O ": "WITHOUT ",
    "W/": "WITH ",
    "HYGN.": "HYGIENE ",
    "NOT MULTI-PACKS": "SINGLE",
    "SWEET&YAMS": "SWEET & YAMS",
}
WORDS = {
    "ACCESS": "accessories",
    "ADDITI": "additives",
    "BAK": "baked",
    "BEV": "beverage",
    "BG": "bags",
    "BKD": "baked",
    "BN": "beans",
    "BRD": "breaded",
    "BRKFST": "breakfast",
    "BTL": "bottle",
    "BTR": "butter",
    "CAR": "",
    "CARB": "carbonated",
    "CATFD": "cat food",
    "CATSUP": "ketchup",
    "CHIX": "chicken",
    "CHOC": "chocolate",
    "CHOCOCLATE": "chocolate",
    "CIG": "cigarette",
    "CILANTO": "cilantro",
    "CKE": "cake",
    "CKYS": "cookies",
    "CLEANG": "cleaning",
    "CND": "canned",
    "CNDLES": "candles",
    "CNDY": "candy",
    "CNTRL": "control",
    "COMBIN": "combination",
    "CONC": "concentrate",
    "CONTAINR": "containers",
    "CRBNTD": "carbonated",
    "CRKR": "crackers",
    "CRMD": "crushed",
    "CRYSTL": "crystal",
    "DECAFFINATED": "decaffeinated",
    "DEOD": "deodorant",
    "DIPILATORIES": "depilatories",
    "DISPOSIBLE": "disposable",
    "DNR": "dinner",
    "DNRS": "dinners",
    "DOGFD": "dog food",
    "DPS": "dips",
    "DRNK": "drink",
    "DRNKING": "drinking",
    "DRNKNG": "drinking",
    "DRNKS": "drinks",
    "DRP": "drops",
    "DRSNG": "dressing",
    "DSH": "dishes",
    "ETC": "",
    "EXACT": "",
    "FD": "food",
    "FDS": "foods",
    "FEM": "feminine",
    "FLAV": "flavored",
    "FLVR": "flavor",
    "FLVRD": "flavored",
    "FRD": "fried",
    "FRE": "fresh",
    "FRZ": "frozen",
    "FRZN": "frozen",
    "FS": "french style",
    "GDS": "goods",
    "GM": "general merchandise",
    "GNG": "ginger",
    "GNGR": "ginger",
    "GRND": "ground",
    "HBC": "health & beauty care",
    "HYGN": "hygiene",
    "INCL": "",
    "IQF": "individually frozen",
    "IWS": "individually wrapped",
    "JCE": "juice",
    "LINAMENTS": "liniments",
    "LIQ": "liquid",
    "LIQS": "liquids",
    "LOZNG": "lozenges",
    "LSS": "less",
    "LTR": "lighter",
    "MACH": "machine",
    "MARIN": "marinades",
    "MFG": "manufacturer",
    "MISC": "miscellaneous",
    "MIXS": "mixes",
    "MLK": "milk",
    "MLT": "multi",
    "MNERAL": "mineral",
    "MNR": "mineral",
    "MNRL": "mineral",
    "MW": "microwave",
    "MX": "mix",
    "MXS": "mixes",
    "NTRTNL": "nutritional",
    "OJ": "orange juice",
    "PAC": "packed",
    "PCKGD": "packaged",
    "PK": "pack",
    "PKG": "package",
    "PKGD": "packaged",
    "PKLD": "pickled",
    "PICKLD": "pickled",
    "PLSTC": "plastic",
    "PNCH": "punch",
    "PNT": "peanut",
    "PPK": "prepacked",
    "PREM": "premium",
    "PREP": "prepared",
    "PROD": "products",
    "PROTIEN": "protein",
    "PRPCK": "prepacked",
    "PRSLC": "presliced",
    "PRESLC": "presliced",
    "PWDR": "powder",
    "PWDRS": "powders",
    "REFIGERATED": "refrigerated",
    "REFRGRATD": "refrigerated",
    "REFRIG": "refrigerated",
    "REG": "regular",
    "RETL": "retail",
    "RTD": "ready to drink",
    "RTS": "ready to serve",
    "RW": "raw",
    "SAL": "salads",
    "SALD": "salad",
    "SAUS": "sausage",
    "SFT": "soft",
    "SGL": "single",
    "SHERBTS": "sherbets",
    "SHLFSH": "shellfish",
    "SNDWCH": "sandwich",
    "SNGL": "single",
    "SNKS": "snacks",
    "SPECILATY": "specialty",
    "SPLY": "supplies",
    "SPRD": "spread",
    "SRV": "serve",
    "SS": "single serve",
    "STK": "stick",
    "SUBS": "substitutes",
    "SUP": "super",
    "SV": "serve",
    "SW": "sweet",
    "SWEETNERS": "sweeteners",
    "SWT": "sweet",
    "SYRP": "syrup",
    "THN": "than",
    "TISS": "tissue",
    "TORT": "tortilla",
    "TRSH": "trash",
    "VAC": "vacuum",
    "VEG": "vegetables",
    "VEND": "vending",
    "WHL": "whole",
    "WHLSM": "wholesome",
    "WORCHESTER": "worcestershire",
    "WT": "",
    "WTR": "water",
    "XPCTRNT": "expectorant",
}


def phrase_of(department: str, category: str, kind: str) -> str | None:
    """Return what the product is, in words; the category follows where the type does not name it.

    ("MEAT", "BEEF", "PRIMAL") -> "Primal (beef)"; None when no column says anything.
    """
    what, where = expand(kind), expand(category)
    if not what:
        what, where = where or expand(department), ""
    if where and not _stems(what) & _stems(where):
        what = f"{what} ({where})"
    return what[:1].upper() + what[1:] or None


def expand(text: str) -> str:
    """Return a till text in lower case with its abbreviations written out."""
    for cut, whole in PHRASES.items():
        text = text.replace(cut, whole)
    text = re.sub(r"\([^)]*$", "", text)  # the till cut the text inside this parenthesis
    text = re.sub(r"\s*:\s*|\s+-+\s+|-\s+", ", ", text).replace("&", " & ").replace("(", " (")
    words = re.sub(r"[A-Z]+\.?", lambda match: _word(match[0]), text)
    words = re.sub(r"\s*/\s*", "/", re.sub(r"\s+", " ", words))
    return re.sub(r"[\s,/&-]+$|^[\s,/&-]+|\(\s*\)", "", words).replace(" ,", ",").lower()


def _word(word: str) -> str:
    return WORDS.get(word.rstrip("."), word)


def _stems(text: str) -> set[str]:
    """Words cut to a stem, so that "cheeses" and "cheese" are seen to say the same."""
    return {re.sub(r"(es|s|d)$", "", word)[:6] for word in re.findall(r"[a-z]{3,}", text)}
