"""Cuts: in order, apart, inside the data, and chosen by the documented precedence."""

import itertools
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.platform.errors import DataError
from components.shop_ranking.data_preparation.cuts import derive_cuts
from components.shop_ranking.params import PreparationParams

PROTOCOL = {"validation_cut": "2017-10-01", "test_cut": "2017-11-01"}
FIRST, LAST = datetime(2017, 1, 1, 9, tzinfo=UTC), datetime(2017, 12, 31, 23, 59, tzinfo=UTC)

days = st.dates(date(2015, 1, 1), date(2020, 12, 31))
moments = st.datetimes(datetime(2015, 1, 1), datetime(2020, 12, 31), timezones=st.just(UTC))


@st.composite
def cases(draw: st.DrawFn) -> tuple[PreparationParams, datetime, datetime]:
    first, last = sorted([draw(moments), draw(moments)])
    some_day = st.one_of(st.none(), days)
    params = PreparationParams(
        as_of=draw(some_day),
        validation_cut=draw(some_day),
        test_cut=draw(some_day),
        fit_cuts=draw(st.integers(0, 8)),
        horizon_days=draw(st.integers(1, 60)),
    )
    return params, first, last


@given(cases(), st.sampled_from([None, PROTOCOL]))
def test_cuts_are_in_order_apart_and_inside_the_data(
    case: tuple[PreparationParams, datetime, datetime], protocol: dict[str, str] | None
) -> None:
    params, first, last = case
    try:
        cuts = derive_cuts(params, protocol, first, last)
    except DataError:
        return
    assert [cut.role for cut in cuts] == ["fit"] * params.fit_cuts + ["validation", "test"]
    assert len({cut.name for cut in cuts}) == len(cuts)
    for earlier, later in itertools.pairwise(cuts):
        assert earlier.end <= later.start
    assert first < cuts[0].start
    assert cuts[-1].day <= last.date()


@given(cases())
def test_derived_targets_end_with_the_data(
    case: tuple[PreparationParams, datetime, datetime],
) -> None:
    params, first, last = case
    params = params.model_copy(update={"validation_cut": None, "test_cut": None})
    try:
        cuts = derive_cuts(params, None, first, last)
    except DataError:
        horizons = (params.fit_cuts + 2) * params.horizon_days
        known = min(params.as_of or date.max, last.date() + timedelta(days=1))
        assert (known - first.date()).days <= horizons or known > last.date() + timedelta(days=1)
        return
    assert cuts[-1].end.date() == min(params.as_of or date.max, last.date() + timedelta(days=1))
    assert all(cut.horizon_days == params.horizon_days for cut in cuts)


def test_the_published_protocol_holds_when_nothing_is_named() -> None:
    cuts = derive_cuts(PreparationParams(), PROTOCOL, FIRST, LAST)
    assert [cut.day.isoformat() for cut in cuts] == [
        "2017-08-06", "2017-09-03", "2017-10-01", "2017-11-01",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("named", "validation", "test"),
    [
        ({"as_of": date(2017, 7, 1)}, "2017-05-06", "2017-06-03"),
        ({"test_cut": date(2017, 12, 1)}, "2017-11-03", "2017-12-01"),
        ({"validation_cut": date(2017, 9, 1)}, "2017-09-01", "2017-12-04"),
        (
            {"validation_cut": date(2017, 6, 1), "test_cut": date(2017, 9, 1)},
            "2017-06-01",
            "2017-09-01",
        ),
    ],
)
def test_a_named_day_switches_the_protocol_off(
    named: dict[str, date], validation: str, test: str
) -> None:
    cuts = derive_cuts(PreparationParams(fit_cuts=0, **named), PROTOCOL, FIRST, LAST)
    assert [cut.day.isoformat() for cut in cuts] == [validation, test]


@pytest.mark.parametrize(
    "named",
    [
        {"test_cut": date(2018, 1, 1)},
        {"validation_cut": date(2016, 12, 1), "test_cut": date(2017, 6, 1)},
        {"validation_cut": date(2017, 10, 1), "test_cut": date(2017, 10, 20)},
        {"fit_cuts": 8, "horizon_days": 60},
        {"as_of": date(2017, 1, 10)},
    ],
)
def test_cuts_that_leave_a_split_empty_are_refused(named: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"expected .*; found .*; "):
        derive_cuts(PreparationParams.model_validate(named), None, FIRST, LAST)
