"""The trigger form: chosen fields of params.yaml, as the params model describes them."""

from typing import Any

from airflow.sdk import Param

from components.shop_ranking.params import Params
from components.shop_ranking.towers import TOWERS

RETRAIN = "retrain"
WARM_START = "warm_start"
# A field's name on the form, and in the JSON of a REST trigger, is its path in params.yaml.
FIELDS = {
    "data.dataset": "Dataset",
    "data.path": "Data path",
    "preparation.as_of": "As-of date",
    "fusion.method": "Fusion",
    **{
        f"{name}.epochs": f"Epochs: {name}"
        for name, tower in TOWERS.items()
        if "epochs" in tower.params.model_fields
    },
    "seed": "Seed",
}


def trigger_form(params: Params) -> dict[str, Param]:
    """Return the form, filled in with the values of params.yaml."""
    values, schema = params.model_dump(mode="json"), Params.model_json_schema()
    form = {path: _field(path, title, values, schema) for path, title in FIELDS.items()}
    form[RETRAIN] = Param(
        list(TOWERS),
        title="Towers to train",
        description=(
            "A tower not chosen is taken over from the champion: the version that the champion's "
            "tags name as its parent"
        ),
        type="array",
        items={"type": "string", "enum": list(TOWERS)},
        examples=list(TOWERS),
        uniqueItems=True,
    )
    form[WARM_START] = Param(
        False,
        title="Warm start",
        description="Towers that are trained go on from the champion's, with fewer steps",
        type="boolean",
    )
    return form


def feedback_form(purchases: int) -> dict[str, Param]:
    """Return the form of a DAG that starts a training on feedback."""
    return {
        "feedback": Param(
            "s3:feedback/",
            type="string",
            title="Feedback",
            description="Fed back partitions: a folder, or s3: and a prefix",
        ),
        "min_purchases": Param(
            purchases,
            type="integer",
            minimum=0,
            title="Purchases",
            description="New purchases without which the arrival of feedback starts nothing",
        ),
    }


def _field(path: str, title: str, values: Any, schema: dict[str, Any]) -> Param:
    found: dict[str, Any] = schema
    for part in path.split("."):
        values = values[part]
        found = _resolved(found["properties"][part], schema)
    rules = _flat(found)
    description = f"{found['description']} (params.yaml: {path})"
    return Param(values, title=title, description=description, **rules)


def _resolved(entry: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Follow a reference to a section's model."""
    if "$ref" in entry:
        return dict(schema["$defs"][entry["$ref"].rsplit("/", 1)[1]])
    return entry


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """Return type, range, format and choices in the flat form that Airflow's page renders.

    Pydantic writes an optional value, or a union of choices, as anyOf.
    """
    options = [option for part in entry.get("anyOf", [entry]) for option in [part]]
    kinds = list(dict.fromkeys(option["type"] for option in options))
    choices = [value for option in options for value in option.get("enum", [])]
    choices += [option["const"] for option in options if "const" in option]
    rules: dict[str, Any] = {"type": kinds if len(kinds) > 1 else kinds[0]}
    if choices:
        rules["enum"] = choices
    for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"):
        found = [option[name] for option in options if name in option]
        if found:
            rules[name] = found[0]
    return rules
