"""Make a landing for the day before the synthetic lender's last day, so that two consecutive nights can be scored.

The lender has month-end snapshots only. The snapshot of 29 June is that of 30 June a day earlier: the same accounts, a
day less past due. The second night then brings the lender's own data: the snapshot of the 30th, the day's payments, and
the corrections of closed months that land that night.
"""

from pathlib import Path

import duckdb


def write(landing: Path, folder: Path, night: tuple[str, str], training_accounts: int) -> None:
    """Write the files for `land files`: servicing, one account, and a policy override.

    Args:
        landing: landing folder of a home that holds the synthetic lender.
        folder: where the files go; it is created.
        night: as-of date and cutoff of the first night.
        training_accounts: number of accounts per training cohort.
    """
    folder.mkdir(parents=True)
    as_of, _ = night
    servicing = f"read_parquet('{landing}/*/loan_servicing/*.parquet')"
    with duckdb.connect() as connection:
        connection.execute("set threads = 2; set preserve_insertion_order = false; set memory_limit = '6GB'")
        for table, query in {
            "loan_servicing": f"""
                select * replace (
                    date '{as_of}' as snapshot_date,
                    greatest(days_past_due - 1, 0) as days_past_due,
                    timestamp '{as_of} 21:00:00' as _loaded_at,
                    'day-before' as _load_id
                )
                from {servicing}
                where
                    snapshot_date = (select max(snapshot_date) from {servicing})
                    and account_status not in ('charged_off', 'closed')
                    and _loaded_at <= cast(snapshot_date as timestamp) + interval 36 hours
            """,
            # The contract requires this table, so one account's terms land again unchanged.
            "accounts": f"""
                select * replace (timestamp '{as_of} 21:00:00' as _loaded_at, 'day-before' as _load_id)
                from read_parquet('{landing}/*/accounts/*.parquet')
                where closed_on is null
                order by account_id, _loaded_at
                limit 1
            """,
            "policy_overrides": f"""
                select
                    'training_accounts' as name,
                    '{training_accounts}' as value,
                    timestamp '2020-01-01' as _loaded_at,
                    'day-before' as _load_id
            """,
        }.items():
            connection.execute(f"copy ({query}) to '{folder / table}.parquet' (format parquet)")
