"""Sessions by pause where the data names none."""

import itertools
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from components.shop_ranking.data_preparation.events import with_sessions
from components.shop_ranking.data_preparation.tables import connect
from tests.shop_ranking.data_preparation.shop import table

START = datetime(2024, 1, 1, tzinfo=UTC)
GAP_MINUTES = 30

rows = st.lists(
    st.tuples(
        st.sampled_from("ab"),  # shopper
        # second, often exactly one gap after another
        st.builds(lambda n, off: n * 900 + off, st.integers(0, 16), st.sampled_from([0, 0, 1])),
        st.sampled_from([None, None, None, "x"]),  # session the data names
    ),
    min_size=1,
    max_size=25,
)
CON = connect()


def sessions(events: list[tuple[str, int, str | None]]) -> list[str]:
    """Session of each event, in the order given."""
    made = table(
        "events",
        [
            {
                "event_id": f"e{place:03d}",
                "user_id": user,
                "session_id": session,
                "timestamp": START + timedelta(seconds=second),
                "event_type": "view",
            }
            for place, (user, second, session) in enumerate(events)
        ],
    )
    named = with_sessions(ibis.memtable(made), GAP_MINUTES)
    assigned: pa.Table = CON.to_pyarrow(named.order_by("event_id"))
    return list(assigned["session_id"].to_pylist())


@settings(max_examples=25, deadline=None)
@given(rows)
def test_a_pause_and_nothing_else_starts_a_session(
    events: list[tuple[str, int, str | None]],
) -> None:
    assigned = sessions(events)
    for (_, _, session), name in zip(events, assigned, strict=True):
        assert name == session if session else name is not None
    for shopper in "ab":
        order = sorted((s, n) for n, (user, s, _) in enumerate(events) if user == shopper)
        for (early, a), (late, b) in itertools.pairwise(order):
            if events[a][2] is None and events[b][2] is None:
                assert (assigned[a] == assigned[b]) == (late - early <= GAP_MINUTES * 60)


@settings(max_examples=15, deadline=None)
@given(rows, rows)
def test_later_events_do_not_rename_earlier_sessions(
    early: list[tuple[str, int, str | None]], late: list[tuple[str, int, str | None]]
) -> None:
    after = [(user, second + 6 * 3600 + 1, session) for user, second, session in late]
    assert sessions(early + after)[: len(early)] == sessions(early)
