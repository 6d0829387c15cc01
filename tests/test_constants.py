"""A number in the source is a choice that params.yaml should hold, or it says that it is none."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPONENTS = ROOT / "components"
HARMLESS = "changes no result"  # in the comment of what bounds memory or time
# Folders whose numbers define the data itself, or only how something looks.
DEFINE_DATA = (
    "shop_ranking/data_ingestion/simulator/",  # the laws of the simulated world: a data set
    "shop_ranking/data_ingestion/pictures/",  # how pictures are drawn: part of packaged data
    "shop_ranking/data_ingestion/adapters/",  # what the source's codes mean
)
SHOW_ONLY = ("platform/pages/", "shop_ranking/pages/")
SERVER_ONLY = ("server/",)  # how long it waits, and how much it keeps
# What is fixed by a format, a standard, or arithmetic. Whoever adds a name says which.
FACTS = {
    "platform/drift/calibration.py": {"ROOT"},  # of chi-squared variables, see its docstring
    "platform/encoders/image_base.py": {"MEAN", "SCALE"},  # how the network was trained
    "platform/encoders/onnx.py": {"OPSET"},  # of ONNX
    "platform/encoders/text.py": {"CHARACTERS_A_TOKEN"},  # texts of words are never cut by it
    "platform/errors.py": {"REFUSED"},  # exit code
    "platform/feedback/off_policy.py": {"Z"},  # 95 % of a normal variable
    "platform/metrics/calibration.py": {"TOLERANCE"},  # of a sum that is as good as exact
    "platform/metrics/intervals.py": {"CONFIDENCE"},  # of every interval that is shown
    "platform/serving/telemetry.py": {"BUCKETS"},  # of a histogram for Prometheus
    "platform/training/allocator.py": {"M_MMAP_THRESHOLD"},  # of glibc
    "platform/training/losses.py": {"LOWEST"},  # as good as minus infinity
    "shop_ranking/ads/pacing.py": {"EVERY"},  # the minute that ads.pacing_step speaks of
    "shop_ranking/baseline_training/lambdamart.py": {"NOT_CANDIDATE"},  # below every score
    "shop_ranking/behaviour_pretraining/measure.py": {"K"},  # of what is called NDCG@10
    "shop_ranking/data_ingestion/contract.py": {  # the data contract
        "FIRST_YEAR", "LAST_YEAR", "MAX_ID", "MAX_TEXT",
    },
    "shop_ranking/data_preparation/features.py": {"COARSE", "DAY", "FINE"},  # exact sums
    "shop_ranking/data_preparation/summary.py": {  # bins of a report
        "DISCOUNT_BIN", "PRICE_BINS_A_DECADE", "QUANTILES", "RANKS",
    },
    # The engine: what its features, candidates and indices are named after, and what is published.
    "shop_ranking/engine/features.py": {"MONTH_IN_QUARTER", "ONE"},  # 28 of 91 days; float32
    "shop_ranking/engine/fusion/lists.py": {"K", "VIEWS"},  # of NDCG@10; columns of `wanted`
    "shop_ranking/engine/history.py": {  # windows that features are named after
        "HALF_LIVES_DAYS", "RECENT_DAYS", "RECENT_VISITS",
    },
    "shop_ranking/engine/rankings.py": {"LENGTH"},  # of the files of rankings
    "shop_ranking/engine/reciprocal_ranks.py": {"SMOOTHING"},  # of the paper
    "shop_ranking/engine/towers/dropout.py": {"LEVELS"},  # of a byte
    "shop_ranking/engine/towers/list_stacking.py": {  # of the benchmarks' search
        "HELD_OUT", "MOST_TREES", "PATIENCE",
    },
    "shop_ranking/engine/towers/order_tower.py": {"GROUPS"},  # shape of the benchmarks' tower
    "shop_ranking/engine/towers/order_transformer.py": {"FARTHEST"},  # shape of its network
    "shop_ranking/engine/towers/spectral.py": {"POWER_STEPS", "SPARE"},  # of a randomised SVD
    "shop_ranking/engine/trained_with.py": {"LAYOUT"},  # of a package
    "shop_ranking/engine/trees.py": {"ALL", "LEAVES", "SEQUENCE"},  # bits of an integer
    "shop_ranking/drift/predictions.py": {"K"},  # of what is called NDCG@10
    "shop_ranking/model_registration/packaged_ranker.py": {"DEFAULT_K"},  # of the pyfunc's schema
    "shop_ranking/search/words.py": {"SHORTEST_STEMMED"},  # Harman's S-stemmer
    "shop_ranking/serving/shoppers.py": {"DAY"},
    "shop_ranking/text_pretraining/objective.py": {"NOT_MASKED"},  # of torch
}  # fmt: skip
# Methods of fusion are fitted: there a number inside a function is no choice either.
FITTED = "shop_ranking/engine/fusion/"
PLAIN_NUMBERS = {-1, 0, 1, 2}  # of counting, halving, squaring
ROUNDING = 1e-6  # as small a number only keeps from dividing by zero, or compares sums
LITERALS = {
    "gated_attention.py": {1000},  # tells the seeds of passes apart
    "gated_network.py": {0.5},  # the root in attention's scale
    "gated_rows.py": {1e-3},  # deviation of a feature that is the same everywhere
    "parameter_averaging.py": {16, 100},  # characters of a digest; tells seeds apart
}
# Search of the benchmarks' rows; the product's has search.* in params.yaml.
LEARNT_SEARCH = ("shop_ranking/search/hybrid.py", "shop_ranking/search/product_type.py")


def numeric(node: ast.expr) -> bool:
    """Tell whether a value is made of numbers alone, in containers, sums or calls: 2 * (3, 4)."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    parts: list[ast.expr] = []
    match node:
        case ast.UnaryOp():
            parts = [node.operand]
        case ast.BinOp():
            parts = [node.left, node.right]
        case ast.Tuple() | ast.List() | ast.Set():
            parts = node.elts
        case ast.Dict():
            parts = node.values
        case ast.Call():  # timedelta(minutes=5), np.float32(60.0)
            parts = [*node.args, *(keyword.value for keyword in node.keywords)]
    return bool(parts) and all(map(numeric, parts))


def constants(source: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, first and last line of every upper-case constant that is a number."""
    tree = ast.parse(source)
    bodies = [tree.body, *(node.body for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]
    for node in (node for body in bodies for node in body):
        if isinstance(node, ast.Assign):
            pairs = [pair for target in node.targets for pair in _pairs(target, node.value)]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            pairs = _pairs(node.target, node.value)
        else:
            continue
        for target, value in pairs:
            if isinstance(target, ast.Name) and target.id.isupper() and numeric(value):
                yield target.id, node.lineno, node.end_lineno or node.lineno


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def unexplained(source: str, facts: set[str]) -> list[str]:
    """Return the numbers that neither say that they change no result, nor are known facts."""
    lines = source.splitlines()
    left = []
    for name, first, last in constants(source):
        above = first - 1
        while above > 0 and lines[above - 1].startswith("#"):
            above -= 1
        said = " ".join(line.partition("#")[2].strip() for line in lines[above:last])
        if HARMLESS not in said and name not in facts:
            left.append(name)
    return left


def literals(source: str) -> set[float]:
    """Return the numbers inside the functions of a module that are not plain ones."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    numbers = [
        node.value
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, int | float)
        and not isinstance(node.value, bool)
    ]
    return {number for number in numbers if number not in PLAIN_NUMBERS and number > ROUNDING}


def modules() -> list[str]:
    return sorted(path.relative_to(COMPONENTS).as_posix() for path in COMPONENTS.rglob("*.py"))


def test_a_number_that_changes_a_result_is_a_param():
    exempt = (*DEFINE_DATA, *SHOW_ONLY, *SERVER_ONLY, *LEARNT_SEARCH)
    left = {
        module: names
        for module in modules()
        if not module.startswith(exempt)
        and (names := unexplained((COMPONENTS / module).read_text(), FACTS.get(module, set())))
    }
    assert left == {}, f"move them to params.yaml, or say '{HARMLESS}' in their comment"


def test_no_number_inside_a_method_of_fusion_is_a_choice():
    inside = {
        path.name: numbers
        for path in sorted((COMPONENTS / FITTED).glob("*.py"))
        if (numbers := literals(path.read_text()))
    }
    assert inside == LITERALS, "move them to fusion.* in params.yaml"


def test_the_list_of_facts_names_what_there_is():
    for module, names in FACTS.items():
        there = {name for name, *_ in constants((COMPONENTS / module).read_text())}
        assert names <= there, module


@pytest.mark.parametrize(
    ("source", "left"),
    [
        ("RATE = 0.1", ["RATE"]),
        ("RATE: float = 1e-3", ["RATE"]),
        ("ONE, TWO = 1.0, (2, 3)", ["ONE", "TWO"]),
        ("SKEW = timedelta(minutes=5)", ["SKEW"]),
        ("SHARES = {'a': 0.5}", ["SHARES"]),
        ("class Network:\n    WEIGHT = 0.5", ["WEIGHT"]),
        ("KEPT = 100  # rows. Capacity only: changes no result.", []),
        ("# Rows at once.\n# Capacity only: changes no result.\nKEPT = 100", []),
        ("rate = 0.1", []),
        ("NAMES = ('a', 'b')", []),
        ("DEFAULTS = Params()", []),
        ("DAY = 86400", []),
    ],
)
def test_what_counts_as_such_a_number(source: str, left: list[str]):
    assert unexplained(source, {"DAY"}) == left


@pytest.mark.parametrize(
    ("source", "numbers"),
    [
        ("def fit(rows):\n    return max(rows // 200, 5)", {200, 5}),
        ("class M:\n    def fit(self, n):\n        return 4.0**n + 0.3", {4.0, 0.3}),
        ("def fit(x, y):\n    return x[:-1] / max(y**2, 1e-9) + 1", set()),
        ("K = 10", set()),
    ],
)
def test_what_counts_as_a_number_inside_a_function(source: str, numbers: set[float]):
    assert literals(source) == numbers
