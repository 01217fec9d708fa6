"""Approvals and rollbacks: checked, put on record in the warehouse, then carried out in the registry.

In this order, so that no alias moves that nobody answers for. A process that dies in between leaves a promotion on
record that was not carried out: no night scores before the same words, said again, have carried it out.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from nightbook import people
from nightbook.engine import home, warehouse
from nightbook.errors import NightbookError
from nightbook.registry import model_versions
from nightbook.registry.record import Promotion, Record
from runner import dbt_build, policy


def record() -> Record:
    """The warehouse's record; of a home of an earlier version, what its audit log knows of it is taken over first."""
    with warehouse.asking() as query:
        is_there = warehouse.has(query, "audit", "promotion_log")
    if not is_there:
        dbt_build.operate("ensure_record")
    with warehouse.asking() as query:
        return Record.of(query)


def approve(model_name: str, version: int, *, approver: str, change_request: str) -> Promotion:
    """Make a version champion, on the word of somebody other than its maker.

    The same words as those of the last promotion on record are no new one: what was broken off is carried out.

    Raises:
        NightbookError: no such version, no verdict on it, already champion, made by the approver, by who types this or
            by nobody known, a name is missing, or record, registry and artifact do not say the same.
    """
    approver, change_request = _named(approver, change_request)
    known = record()
    if asked := _asked_before(known, model_name, "approve", version, approver, change_request):
        return _carried_out(known, asked)
    known.hold()
    is_by_makers_account = _second(known, model_name, version, approver)
    if known.version(model_name, version).artifact_digest is None:
        raise NightbookError(
            f"{model_name} version {version} was registered without a digest of its whole artifact, so nobody knows "
            "what else lies in it: train again, and approve what that registers"
        )
    if known.champion_version(model_name) == version == model_versions.champion_version(model_name):
        raise NightbookError(f"{model_name} version {version} is champion already: nothing to approve")
    return _promote(known, model_name, "approve", version, approver, change_request, is_by_makers_account)


def rollback(model_name: str, *, approver: str, change_request: str) -> Promotion:
    """Make the version champion that was it before this one; the same words twice are one rollback, as in `approve`.

    Raises:
        NightbookError: there is no earlier champion, or as `approve`.
    """
    approver, change_request = _named(approver, change_request)
    known = record()
    if asked := _asked_before(known, model_name, "rollback", None, approver, change_request):
        return _carried_out(known, asked)
    known.hold()
    current = known.champion_version(model_name)
    if current is None:
        raise NightbookError(f"{model_name} has no champion: there is nothing to roll back")
    earlier = _reign(known.moves(model_name))[:-1]
    if not earlier:
        raise NightbookError(f"{model_name} version {current} is its first champion: there is none to go back to")
    is_by_makers_account = _second(known, model_name, earlier[-1], approver)
    return _promote(known, model_name, "rollback", earlier[-1], approver, change_request, is_by_makers_account)


def write(promotion: Promotion) -> None:
    """Put a promotion on record and into the audit log, in one transaction, on either engine.

    Raises:
        NightbookError: the warehouse is in use, or this role may not.
    """
    dbt_build.operate("record_promotion", asdict(promotion) | {"promoted_at": promotion.promoted_at.isoformat(" ")})


def _second(known: Record, model_name: str, version: int, approver: str) -> bool:
    """See that neither who decides nor who types this made the version; whether policy let the maker type it."""
    return people.second_of(
        f"{model_name} version {version}",
        known.version(model_name, version).maker,
        approver=approver,
        actor=home.actor(),
        one_account=policy.one_account_trains_and_approves(),
    )


def _promote(
    known: Record,
    model_name: str,
    action: str,
    version: int,
    approver: str,
    change_request: str,
    is_by_makers_account: bool,
) -> Promotion:
    # Its bytes too: an approval of what cannot score would stop every night until it is undone.
    known.held(model_name, version)
    promotion = Promotion(
        model_name=model_name,
        sequence=1 + max((row["sequence"] for row in known.promotions if row["model_name"] == model_name), default=0),
        action=action,
        model_version=version,
        previous_version=known.champion_version(model_name),
        approver=approver,
        change_request=change_request,
        actor=home.actor(),
        promoted_at=datetime.now(UTC).replace(tzinfo=None, microsecond=0),
        is_by_makers_account=is_by_makers_account,
    )
    write(promotion)
    now = record()
    now.hold()
    if now.moves(model_name)[-1:] != [promotion]:
        raise NightbookError(
            f"{model_name}: somebody else's promotion was recorded at the same moment: look at `status`, then say this "
            "again"
        )
    model_versions.move_champion(model_name, version)
    return promotion


def _asked_before(
    known: Record, model_name: str, action: str, version: int | None, approver: str, change_request: str
) -> Promotion | None:
    """The last promotion on record, where it is the very one that is asked for; version: None for a rollback."""
    last = next(reversed(known.moves(model_name)), None)
    if last is None:
        return None
    asked = (action, last.model_version if version is None else version, approver, change_request, home.actor())
    on_record = (last.action, last.model_version, last.approver, last.change_request, last.actor)
    return last if asked == on_record else None


def _carried_out(known: Record, promotion: Promotion) -> Promotion:
    known.held(promotion.model_name, promotion.model_version)
    if model_versions.champion_version(promotion.model_name) != promotion.model_version:
        model_versions.move_champion(promotion.model_name, promotion.model_version)
    return promotion


def _reign(moves: Sequence[Promotion]) -> list[int]:
    """Champions that a rollback can go back through, the current one last."""
    reign: list[int] = []
    for move in moves:
        if move.action == "rollback":
            reign.pop()
        elif reign[-1:] != [move.model_version]:
            reign.append(move.model_version)
    return reign


def _named(approver: str, change_request: str) -> Sequence[str]:
    remedy = "name who approves and under which change request"
    return people.checked(approver, "--approver", remedy), people.checked(change_request, "--change-request", remedy)
