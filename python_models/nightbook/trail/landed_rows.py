"""Which landed rows the scores of a night depend on, as SQL for every engine.

There are two forms. `conditions` selects all rows of the customers; a reproduction lands these, even for another code
version. `queries` selects, for one score, only the rows that affect it.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta

from nightbook.engine import warehouse
from nightbook.landing.contract import TABLES
from nightbook.trail.scored_nights import Night

# How far the models look back: windows of 24 months, plus the month before if tonight's is incomplete; bureau files of
# 24 months; and days for the last state of an account that the date's snapshot lacks.
_MONTHS_OF_PAYMENTS = 25
_MONTHS_OF_PULLS = 23
_DAYS_OF_A_STATE = 40
# (name, query) -> what stands for the query's rows in a later query.
Keep = Callable[[str, str], str]


def conditions(night: Night, raw: str, picked: Mapping[str, str], keep: Keep) -> dict[str, str]:
    """Landing table -> condition for the rows that the chosen keys depend on: all versions of their customers' rows.

    Two facts depend on the whole book: which dates have a snapshot, and in which month the ledger begins. One account
    for each of them is included.

    Args:
        night: the scored night.
        raw: schema of the landing tables.
        picked: kind -> relation with the chosen keys in column `key`.
        keep: turns a query into something that later queries can read.
    """
    seen = known(night)
    customers = keep(
        "customers",
        f"""
        select customer_id from {raw}.accounts where account_id in (select key from {picked["account"]})
        union
        select customer_id from {raw}.applications where application_id in (select key from {picked["application"]})
        """,
    )
    accounts = keep(
        "accounts",
        f"""
        select key as account_id from {picked["account"]}
        union
        select account_id from {raw}.accounts where customer_id in (select customer_id from {customers})
        union
        select min(account_id) as account_id from {raw}.loan_servicing where {seen} group by snapshot_date
        union
        (
            select account_id from {raw}.payments
            where {seen} and account_id is not null order by paid_on, account_id limit 1
        )
        """,
    )
    of_customer = f"customer_id in (select customer_id from {customers})"
    of_account = f"account_id in (select account_id from {accounts})"
    # A correction may change the owner of a payment, pull or application, so all versions of a key are included.
    return {
        "customers": of_customer,
        "accounts": of_account,
        "loan_servicing": of_account,
        "payments": f"payment_id in (select payment_id from {raw}.payments where {of_account})",
        "bureau_pulls": f"pull_id in (select pull_id from {raw}.bureau_pulls where {of_customer})",
        "applications": f"application_id in (select application_id from {raw}.applications where {of_customer})"
        f" or application_id in (select key from {picked['application']})",
        "default_events": of_account,
    }


def queries(night: Night, kind: str, key: str, ask: Callable[[str], list]) -> dict[str, str]:
    """Landing table -> query of the landed rows that one score depends on, each with is_superseded.

    Without all other rows, the score and its inputs would be the same. A row that is not superseded can change them, if
    only by showing a default, after which there is no score. Some listed rows cannot: a few of the customer's other
    accounts, and terms that apply at no month-end.

    In place of a superseded row, another version counts: the last one by the night's cutoff. Where the models ask for
    it, it is the version known on the night's date. Facts of the whole book are not listed: which dates have a
    snapshot, and in which month the ledger begins.

    Args:
        night: the scored night.
        kind: account or application.
        key: what was scored.
        ask: returns the values of a query's only column.
    """
    table, column = ("accounts", "account_id") if kind == "account" else ("applications", "application_id")
    seen, as_of, own = known(night), f"date '{night.as_of_date}'", f"{column} = {warehouse.literal(key)}"
    # The owner as known on that date. Keys are passed as lists, so that the engine can skip blocks without them.
    customers = ask(
        f"select customer_id from raw.{table} where {own} and {seen} order by {_as_known_on(night)} limit 1"
    )
    of_customer = _among("customer_id", customers)
    accounts = ask(f"select distinct account_id from raw.accounts where {of_customer} and {seen}")
    # The last state of each account of the customer, because the total owed is an input. Terms count for open accounts.
    # If the snapshot of the date lacks the account, all versions of its terms count.
    since = night.as_of_date - timedelta(_DAYS_OF_A_STATE)
    recent = f"{_among('account_id', accounts)} and snapshot_date between date '{since}' and {as_of}"
    last = f"""
        select account_id, snapshot_date, account_status from raw.loan_servicing where {recent} and {seen}
        qualify row_number() over (
            partition by account_id order by snapshot_date desc, _loaded_at desc, _load_id desc
        ) = 1
    """
    is_open = "coalesce(account_status, 'current') not in ('charged_off', 'closed')"
    still_open = set(ask(f"select account_id from ({last}) as last_states where {is_open}"))
    absent = set(ask(f"select account_id from ({last}) as last_states where snapshot_date < {as_of}"))
    whole = {"customers": of_customer, "accounts": _among("account_id", still_open), "policy_overrides": "true"}
    own_states = "false"
    if kind == "account":
        whole["default_events"], own_states = own, own
        whole["accounts"] = _among("account_id", {*still_open, key})
    else:
        whole["applications"] = own
    counted = {"accounts": f"{_terms_count(night, own_states)} or {_among('account_id', absent)}"}
    found = {
        name: _versions(name, night, f"{condition} and {seen}", counted.get(name)) for name, condition in whole.items()
    }
    found["loan_servicing"] = (
        _versions("loan_servicing", night, f"({own_states} or ({recent})) and snapshot_date <= {as_of} and {seen}")
        + f" qualify {own_states} or snapshot_date = max(snapshot_date) over (partition by account_id)"
    )
    # All versions of these keys, even outside the window. A correction supersedes the earlier version just by existing.
    touched = {"bureau_pulls": ("pull_id", of_customer, "pulled_on", _MONTHS_OF_PULLS)}
    if kind == "account":
        touched["payments"] = ("payment_id", own, "paid_on", _MONTHS_OF_PAYMENTS)
    for name, (grain, condition, day, months) in touched.items():
        first = f"date '{night.as_of_date.replace(day=1)}' - interval '{months} months'"
        keys = f"select {grain} from raw.{name} where {condition} and {seen} and {day} between {first} and {as_of}"
        found[name] = _versions(name, night, f"{grain} in ({keys}) and {seen}")
    return {
        name: f"{found[name]} order by {', '.join(TABLES[name].grain)}, _loaded_at, _load_id"
        for name in TABLES
        if name in found
    }


def _versions(name: str, night: Night, condition: str, counts: str | None = None) -> str:
    """Query of landed rows with is_superseded. `counts`: the condition that no other version replaces a row."""
    latest, as_known = _is_first(name, "_loaded_at desc, _load_id desc"), _is_first(name, _as_known_on(night))
    # The date of an application comes from its last version, everything else from the version known on the date.
    known_then = {"customers": as_known, "applications": f"{latest} or {as_known}"}
    counts = counts or known_then.get(name, latest)
    return f"select *, not ({counts}) as is_superseded from raw.{name} where {condition}"


def _terms_count(night: Night, own: str) -> str:
    """Whether a version of terms is that of the date, or the scored account's at the end of a month in a window."""
    order = "over (partition by account_id order by _loaded_at, _load_id)"
    oldest = (night.as_of_date.replace(day=1) - timedelta(31 * _MONTHS_OF_PAYMENTS)).replace(day=1)
    is_begun = f"(row_number() {order} = 1 or cast(_loaded_at as date) <= date '{night.as_of_date + timedelta(1)}')"
    next_on = f"coalesce(lead(cast(_loaded_at as date)) {order}, date '9999-12-31')"
    is_ended = f"({next_on} <= date '{oldest}' or row_number() {order} > 1 and {next_on} = cast(_loaded_at as date))"
    return f"{_is_first('accounts', _as_known_on(night))} or ({own}) and {is_begun} and not {is_ended}"


def _is_first(name: str, order: str) -> str:
    return f"row_number() over (partition by {', '.join(TABLES[name].grain)} order by {order}) = 1"


def _as_known_on(night: Night) -> str:
    """The order of macro version_order_as_of, for the night's date."""
    is_known = f"cast(_loaded_at as date) <= date '{night.as_of_date + timedelta(1)}'"
    return (
        f"case when {is_known} then 0 else 1 end, case when {is_known} then _loaded_at end desc,"
        f" case when {is_known} then _load_id end desc, _loaded_at, _load_id"
    )


def _among(column: str, keys: Iterable[str | None]) -> str:
    listed = ", ".join(warehouse.literal(key) for key in sorted({key for key in keys if key is not None}))
    return f"{column} in ({listed})" if listed else "false"


def known(night: Night) -> str:
    """The condition that the run of a night could see a landed row."""
    return f"_loaded_at <= timestamp '{night.run['known_at'].isoformat(' ', 'microseconds')}'"
