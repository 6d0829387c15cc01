"""The trigger form: chosen fields of params.yaml, as the params model describes them."""

from typing import Any

from airflow.sdk import Param

from components.platform.application import RETRAIN, WARM_START, Application
from components.platform.params import Params


def trigger_form(application: Application, params: Params) -> dict[str, Param]:
    """Return the form of a training, filled in with the values of params.yaml.

    A field's name, on the form and in the JSON of a REST trigger, is its path in params.yaml.
    """
    values, schema = params.model_dump(mode="json"), application.params.model_json_schema()
    form = {path: _field(path, title, values, schema) for path, title in application.form.items()}
    return form | (_takes_over(application.takes_over) if application.takes_over else {})


def _takes_over(parts: tuple[str, ...]) -> dict[str, Param]:
    """Return the fields that say what is trained, and from where."""
    return {
        RETRAIN: Param(
            list(parts),
            title="Parts to train",
            description=(
                "A part not chosen is taken over from the champion: the version that the "
                "champion's tags name as its parent"
            ),
            type="array",
            items={"type": "string", "enum": list(parts)},
            examples=list(parts),
            uniqueItems=True,
        ),
        WARM_START: Param(
            False,
            title="Warm start",
            description="Parts that are trained go on from the champion's, with fewer steps",
            type="boolean",
        ),
    }


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
    entry: dict[str, Any] = schema
    for part in path.split("."):
        values = values[part]
        entry = _resolved(entry["properties"][part], schema)
    rules = _flat(entry)
    description = f"{entry['description']} (params.yaml: {path})"
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
        limits = [option[name] for option in options if name in option]
        if limits:
            rules[name] = limits[0]
    return rules
