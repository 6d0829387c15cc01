"""Attribution: which impression a click or a purchase belongs to, and online metrics of a day."""

import duckdb
import pyarrow as pa

from components.platform import schemas
from components.platform.metrics.intervals import wilson


def attribute(con: duckdb.DuckDBPyConnection, hours: int) -> None:
    """Join the table `events` with itself; make the tables `labelled` and `outcomes`.

    A click belongs to the impression that it names, if the item was shown there and the click came
    within `hours`; else it is an orphan. A purchase belongs to one impression of its item: the
    one it names, else one of the same user that was clicked, else the latest within `hours`
    before it. `outcomes` says for every click and purchase whether it found an impression.
    """
    con.execute("create temp table shown as select * from events where event_type = 'impression'")
    con.execute(
        """create temp table clicks as
        select c.event_id, c.day, min(i.event_id) as shown_id
        from events as c left join shown as i on c.impression_id = i.impression_id
            and c.item_id = i.item_id and (c.position is null or c.position = i.position)
            and c.timestamp between i.timestamp - interval 5 minutes
                and i.timestamp + to_hours($1)
        where c.event_type = 'click' group by all""",
        [hours],
    )
    con.execute(
        """create temp table purchases as
        with bought as (select * from events where event_type = 'purchase'), pairs as (
            select b.event_id, i.event_id as shown_id, i.timestamp as at, true as named
            from bought as b join shown as i
                on b.impression_id = i.impression_id and b.item_id = i.item_id
            where b.timestamp between i.timestamp - interval 5 minutes
                and i.timestamp + to_hours($1)
            union all
            select b.event_id, i.event_id, i.timestamp, false
            from bought as b join shown as i on b.user_id = i.user_id and b.item_id = i.item_id
            where b.user_id <> 'anonymous'
                and b.timestamp between i.timestamp and i.timestamp + to_hours($1)),
        best as (
            select p.event_id, p.shown_id from pairs as p
            left join (select distinct shown_id from clicks) as c on p.shown_id = c.shown_id
            qualify row_number() over (partition by p.event_id
                order by p.named desc, (c.shown_id is not null) desc, p.at desc, p.shown_id) = 1)
        select b.event_id, b.day, best.shown_id,
            coalesce(b.value, 1)::double * coalesce(b.price, 0)::double as revenue
        from bought as b left join best on b.event_id = best.event_id""",
        [hours],
    )
    con.execute(
        """create temp table labelled as
        with clicked as (select distinct shown_id from clicks),
        sold as (select shown_id, sum(revenue) as revenue from purchases group by all)
        select i.day, i.impression_id, i.user_id, i.timestamp, i.surface, i.item_id, i.position,
            i.propensity, i.policy, i.model_version, i.campaign_id, i.value as score, i.fused_score,
            c.shown_id is not null as clicked, s.shown_id is not null as purchased,
            coalesce(s.revenue, 0)::float as revenue
        from shown as i left join clicked as c on i.event_id = c.shown_id
        left join sold as s on i.event_id = s.shown_id"""
    )
    con.execute(
        """create temp table outcomes as
        select day, event_id, case when shown_id is null then 'orphan' else 'joined' end as outcome
        from clicks union all
        select day, event_id, case when shown_id is null then 'unattributed' else 'attributed' end
        from purchases"""
    )


def online_metrics(con: duckdb.DuckDBPyConnection, labelled: pa.Table) -> pa.Table:
    """Return schemas.ONLINE_METRICS of labelled rows of one day."""
    con.register("day_labelled", labelled)
    counted = con.execute(
        """select timestamp::date as day,
            case when campaign_id is not null then 'ads' else coalesce(surface, 'unknown') end
                as surface,
            coalesce(model_version, 'unknown') as model_version, position,
            count(*) as impressions, count(*) filter (where clicked) as clicks,
            count(*) filter (where purchased) as purchases, sum(revenue)::double as revenue,
            count(*) filter (where clicked) / count(*) as ctr,
            count(*) filter (where clicked and purchased)
                / nullif(count(*) filter (where clicked), 0) as cvr
        from day_labelled
        group by grouping sets ((1, 2, 3, 4), (1, 2, 3))
        having grouping(position) = 1 or position is not null
        order by surface, model_version, position nulls first"""
    ).to_arrow_table()
    low, high = wilson(counted["clicks"].to_numpy(), counted["impressions"].to_numpy())
    return (
        counted.append_column("ctr_low", pa.array(low))
        .append_column("ctr_high", pa.array(high))
        .cast(schemas.ONLINE_METRICS)
    )
