"""What a challenger would have shown in the place of logged answers, for off-policy estimates.

The challenger is asked again what shoppers asked, by the code that serves, and knows of each
shopper what the server knew then: its own history, and what came in before the answer went out.
An answer from before the end of the challenger's data says nothing: the challenger was
trained on what became of it.

Only rows without a context are asked again. What the log does not hold is taken as it is by
default: no filters, the diversity of the API. Strangers are left out: the items that they
had touched are not in the log.
"""

import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.platform import schemas, storage, tracking
from components.platform.feedback.off_policy import counterfactual_key
from components.platform.feedback.served_events import EVENTS, IN_S3, LABELLED, snapshot
from components.platform.files import scratch_folder
from components.platform.progress import say, track
from components.platform.registry.fetching import fetch
from components.platform.registry.policy import Policy
from components.platform.serving.live_events import LiveEvents
from components.platform.tracking import Version
from components.shop_ranking.application import SHOP_RANKING
from components.shop_ranking.params import Params
from components.shop_ranking.serving.api import RecommendRequest
from components.shop_ranking.serving.champion import Champion
from components.shop_ranking.serving.exploration import propensities
from components.shop_ranking.surfaces import ROWS

PARTITIONS = f"{IN_S3}feedback/"


def run(params: Params, params_of: Callable[[Version], Params], policy: Policy) -> int:
    """Ask the challenger again and write its answers to S3; return the number of answers.

    Nothing is written where there is no challenger, or where it is the champion already.

    Args:
        params: of the champion's run: which logged answers are asked again.
        params_of: returns those of a version's run: the challenger answers as it would be served.
        policy: names model and aliases.

    Raises:
        RegistryError: the registry does not answer, or lacks a part of the challenger.
        ModelError, DataError: the challenger cannot be loaded.
        StorageError: S3 cannot be reached.

    """
    name, aliases = policy.leading, policy.aliases
    challenger = tracking.version_at(name, aliases.challenger)
    champion = tracking.version_at(name, aliases.champion)
    if challenger is None or (champion and champion.version == challenger.version):
        say("no challenger beside the champion: nothing to ask")
        return 0
    with scratch_folder() as scratch:
        for file in (EVENTS, LABELLED):
            if not snapshot(PARTITIONS, scratch / "feedback", file):
                say("no feedback yet: nothing to ask again")
                return 0
        own, packages = params_of(challenger), fetch(SHOP_RANKING, challenger, scratch / "packages")
        live = LiveEvents(own.feedback.live_events)
        model = Champion.load(packages, own, live)
        answers = sampled_answers(scratch / "feedback", model.as_of, params)
        chosen = choose(model, live, answers, known_events(scratch / "feedback", model.as_of))
    asked = len(set(chosen["impression_id"].to_pylist()))
    say(f"{model.version}: asked again for {asked} of {len(answers)} answers, the rest strangers'")
    buffer = io.BytesIO()
    pq.write_table(chosen, buffer, compression="zstd")
    storage.put(buffer.getvalue(), counterfactual_key(model.version))
    return asked


def sampled_answers(folder: Path, as_of: datetime, params: Params) -> list[dict[str, Any]]:
    """Return logged answers from `as_of` on, in time order, one row each.

    Keys: impression_id, user_id, timestamp, surface, slots. Of more than params allow those are
    kept whose hash with the seed is smallest: nearly the same ones in the next night's run.
    """
    con = _connect()
    return (
        con.execute(
            f"""with shown as (
            select impression_id, user_id, timestamp, surface, count(*) as slots
            from read_parquet('{folder}/day=*/{LABELLED}')
            where campaign_id is null and propensity > 0 and list_contains($1, surface)
            group by all)
        select * from shown where timestamp >= $2
            and timestamp >= (select max(timestamp) from shown) - to_days($3)
        qualify row_number() over (order by md5($4 || impression_id)) <= $5
        order by timestamp, impression_id""",  # noqa: S608 - a path of our own
            [
                [name for name, surface in ROWS.items() if surface.asked_again],
                as_of,
                params.feedback.click_model_days,
                str(params.seed),
                params.feedback.judged_answers,
            ],
        )
        .to_arrow_table()
        .to_pylist()
    )


def known_events(folder: Path, as_of: datetime) -> list[dict[str, Any]]:
    """Return what shoppers did from `as_of` on, in the order in which the server came to know."""
    con = _connect()
    columns = ", ".join(schemas.SERVED_EVENTS.names)
    return (
        con.execute(
            f"""select {columns} from read_parquet('{folder}/day=*/{EVENTS}')
        where event_type <> 'impression' and timestamp >= $1
        qualify row_number() over (partition by event_id order by received_at) = 1
        order by received_at, timestamp, event_id""",  # noqa: S608 - columns of our own contract
            [as_of],
        )
        .to_arrow_table()
        .to_pylist()
    )


def choose(
    model: Champion, live: LiveEvents, answers: list[dict[str, Any]], events: list[dict[str, Any]]
) -> pa.Table:
    """Return schemas.COUNTERFACTUAL of `model`, whose shoppers' states follow `live`.

    Args:
        model: nothing of `answers` is older than its data.
        live: empty; filled here.
        answers: of sampled_answers.
        events: of known_events.

    """
    tables = [schemas.COUNTERFACTUAL.empty_table()]
    following = 0
    for answer in track(answers, "answers"):
        following = _catch_up(live, events, following, answer["timestamp"])
        shopper = model.shoppers.of(answer["user_id"], (), answer["timestamp"])
        if shopper.state.users[0] < 0 and not live.revision(answer["user_id"]):
            continue
        request = RecommendRequest(surface=answer["surface"], k=answer["slots"])
        slate = model.recommender.recommend(request, shopper)
        serving = model.presenter.params
        chance_NP = propensities(
            len(slate.items), slate.slots, serving.exploration, serving.exploration_reach
        )
        rank, place = np.nonzero(chance_NP)
        names = np.array([model.catalogue.item_id[row] for row in slate.items.tolist()], object)
        columns = [
            pa.repeat(answer["impression_id"], len(rank)),
            pa.array((place + 1).astype(np.int32)),
            pa.array(names[rank], pa.string()),
            pa.array(chance_NP[rank, place]),
        ]
        tables.append(pa.table(columns, schema=schemas.COUNTERFACTUAL))
    return pa.concat_tables(tables)


def _catch_up(
    live: LiveEvents, events: list[dict[str, Any]], following: int, moment: datetime
) -> int:
    """Take the events that had come in before `moment`; return the place of the next one.

    Strictly before: a replayed visit is answered and over at one moment of the data's clock.
    """
    end = following
    while end < len(events) and events[end]["received_at"] < moment:
        end += 1
    live.accept(events[following:end])
    return end


def _connect() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("set timezone = 'UTC'")
    return con
