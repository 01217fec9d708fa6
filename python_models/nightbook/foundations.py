"""Which landed rows the scores of a night rest on, as conditions in SQL that every engine reads."""

from collections.abc import Callable, Mapping

from nightbook.nights import Night

# A name for a query, and the query, to what stands for its rows in a later one.
Keep = Callable[[str, str], str]


def conditions(night: Night, raw: str, picked: Mapping[str, str], keep: Keep) -> dict[str, str]:
    """Landing table -> which rows the chosen keys rest on: everything of their customers, in every version.

    Two facts are of the whole book: which dates have a snapshot, and in which month the ledger begins. An account for
    each of them comes along.

    Args:
        raw: schema of the landing tables.
        picked: the keys of each kind, a relation with the column `key`.
        keep: what makes of a query something that later ones can read from.
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
    # Whose a payment, a pull or an application is may be corrected: all versions of a key come along.
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


def known(night: Night) -> str:
    """The condition that a landed row could be seen by the run of a night."""
    return f"_loaded_at <= timestamp '{night.run['known_at'].isoformat(' ', 'microseconds')}'"
