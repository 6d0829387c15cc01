"""The trigger form says what the params model says."""

import typing

import pytest
from airflow.sdk.exceptions import ParamValidationError

from components.platform.application import RETRAIN, WARM_START
from components.shop_ranking.application import FORM, SHOP_RANKING
from components.shop_ranking.params import Dataset, FusionMethod, load_params


@pytest.fixture(scope="module")
def form(training):
    return {name: training.params.get_param(name) for name in training.params}


def test_it_is_filled_in_with_params_yaml(form):
    values = load_params().model_dump(mode="json")
    for path in FORM:
        section, _, name = path.rpartition(".")
        assert form[path].value == (values[section][name] if section else values[name])


def test_every_field_has_a_title_and_says_what_it_means(form):
    assert set(form) == {*FORM, RETRAIN, WARM_START}
    for field in form.values():
        assert field.schema["title"]
        assert len(field.description) > 10


def test_choices_are_those_of_the_model(form):
    assert form["data.dataset"].schema["enum"] == list(typing.get_args(Dataset))
    assert form["fusion.method"].schema["enum"] == [*typing.get_args(FusionMethod), "best"]
    assert form[RETRAIN].schema["items"]["enum"] == list(SHOP_RANKING.takes_over)


def test_an_optional_value_may_be_left_empty(form):
    assert form["preparation.as_of"].schema["type"] == ["string", "null"]
    assert form["preparation.as_of"].schema["format"] == "date"
    assert form["preparation.as_of"].resolve(None) is None


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.dataset", "movielens"),
        ("preparation.as_of", "yesterday"),
        ("fusion.method", "magic"),
        ("behaviour.epochs", 0),
        ("text.epochs", -1),
        ("seed", -1),
        ("seed", "one"),
        (RETRAIN, ["behaviour", "sound"]),
    ],
)
def test_a_value_out_of_range_is_refused(form, path, value):
    with pytest.raises(ParamValidationError):
        form[path].resolve(value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.dataset", "simulated-shop"),
        ("data.path", "shared/tables"),
        ("preparation.as_of", "2017-11-01"),
        ("behaviour.epochs", 1),
        (RETRAIN, ["image"]),
        (RETRAIN, []),
    ],
)
def test_a_value_in_range_is_taken(form, path, value):
    assert form[path].resolve(value) == value
