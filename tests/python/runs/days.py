"""Daily snapshots of a month of which only the end has landed, as a lender with a daily feed would have sent them.

Between two month-ends, the ledger says what happened when. Until the last good payment of the month, an account is as
at the previous month-end, but its days past due grow by one each day. After it, the account is as at the month's end.
"""

import datetime as dt

SNAPSHOTS = """
with servicing as (
    select * from raw.loan_servicing
    qualify row_number() over (partition by account_id, snapshot_date order by _loaded_at, _load_id) = 1
),
opened as (select account_id, min(opened_on) as opened_on from raw.accounts group by account_id),
paid as (
    select account_id, max(paid_on) as paid_on
    from raw.payments
    where not coalesce(is_returned, false) and paid_on > date '{before}' and paid_on <= date '{month_end}'
    group by account_id
),
days as (select cast(unnest({days}) as date) as day)
select
    month_end.account_id,
    days.day as snapshot_date,
    coalesce(case when not is_paid then before.balance end, month_end.balance) as balance,
    month_end.credit_limit,
    coalesce(case when not is_paid then before.scheduled_payment end, month_end.scheduled_payment)
        as scheduled_payment,
    cast(case when is_paid then month_end.amount_paid else 0 end as decimal(18, 2)) as amount_paid,
    cast(case
        when is_paid or (paid.paid_on is null and coalesce(before.days_past_due, 0) = 0)
            then greatest(month_end.days_past_due - (date '{month_end}' - days.day), 0)
        when before.days_past_due > 0 then before.days_past_due + (days.day - date '{before}')
        else greatest(day(days.day) - least(day(opened.opened_on), 28), 0)
    end as integer) as days_past_due,
    case
        when month_end.account_status = 'inactive' or before.account_status is null then month_end.account_status
        else before.account_status
    end as account_status,
    days.day + interval 26 hours as _loaded_at,
    'days-' || days.day as _load_id
from servicing as month_end
cross join days
inner join opened on month_end.account_id = opened.account_id and opened.opened_on <= days.day
left join servicing as before on month_end.account_id = before.account_id and before.snapshot_date = date '{before}'
left join paid on month_end.account_id = paid.account_id
cross join lateral (select coalesce(paid.paid_on <= days.day, false) as is_paid)
where
    month_end.snapshot_date = date '{month_end}'
    and coalesce(before.account_status, 'current') not in ('charged_off', 'closed')
order by snapshot_date, account_id
"""


def snapshots_of(days: list[dt.date]) -> str:
    """Rows of raw.loan_servicing, as a query: the given days, all of one month whose end has landed."""
    before = days[0].replace(day=1) - dt.timedelta(days=1)
    month_end = (days[0].replace(day=28) + dt.timedelta(days=4)).replace(day=1) - dt.timedelta(days=1)
    return SNAPSHOTS.format(days=[day.isoformat() for day in days], before=before, month_end=month_end)
