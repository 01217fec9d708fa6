"""Approvals and rollbacks: checked, recorded in the warehouse, then carried out in the registry.

The record comes first, so that the alias never moves without a named approver. A process that dies in between leaves a
recorded promotion that was not carried out. No night scores until the same command is run again, which completes it.
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
    """Return the warehouse's record.

    If it is missing, it is created first. For a home of an earlier version, it takes over what the audit log confirms.
    """
    with warehouse.asking() as query:
        is_there = warehouse.has(query, "audit", "promotion_log")
    if not is_there:
        dbt_build.operate("ensure_record")
    with warehouse.asking() as query:
        return Record.of(query)


def approve(model_name: str, version: int, *, approver: str, change_request: str) -> Promotion:
    """Make a version champion, approved by somebody other than its maker.

    If the last recorded promotion has the same arguments, no new one is recorded. An interrupted one is then completed.

    Raises:
        NightbookError: there is no such version, it has no verdict, or it is champion already. The approver or the
            actor made it, the approver is unknown, or a name is missing. Or record, registry and artifact disagree.
    """
    approver, change_request = _named(approver, change_request)
    known = record()
    if asked := _asked_before(known, model_name, "approve", version, approver, change_request):
        return _carried_out(known, asked)
    known.hold()
    is_by_makers_account = _second(known, model_name, version, approver)
    if known.version(model_name, version).artifact_digest is None:
        raise NightbookError(
            f"{model_name} version {version} was registered without a digest of its whole artifact, so its other "
            "files cannot be checked: train again, and approve the version that this registers"
        )
    if known.champion_version(model_name) == version == model_versions.champion_version(model_name):
        raise NightbookError(f"{model_name} version {version} is already the champion: there is nothing to approve")
    return _promote(known, model_name, "approve", version, approver, change_request, is_by_makers_account)


def rollback(model_name: str, *, approver: str, change_request: str) -> Promotion:
    """Make the previous champion the champion again. Repeating the same command is one rollback, as in `approve`.

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
        raise NightbookError(
            f"{model_name} version {current} is its first champion: there is no earlier one to roll back to"
        )
    is_by_makers_account = _second(known, model_name, earlier[-1], approver)
    return _promote(known, model_name, "rollback", earlier[-1], approver, change_request, is_by_makers_account)


def write(promotion: Promotion) -> None:
    """Record a promotion and its entry in the audit log, in one transaction, on either engine.

    Raises:
        NightbookError: the warehouse is in use, or this role lacks the right.
    """
    dbt_build.operate("record_promotion", asdict(promotion) | {"promoted_at": promotion.promoted_at.isoformat(" ")})


def _second(known: Record, model_name: str, version: int, approver: str) -> bool:
    """Check that neither the approver nor the actor made the version. Returns whether policy let the maker type it."""
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
    # The artifact's bytes are checked too. A champion that cannot score would stop every night.
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
            f"{model_name}: another promotion was recorded at the same time: check `status`, then run this command "
            "again"
        )
    model_versions.move_champion(model_name, version)
    return promotion


def _asked_before(
    known: Record, model_name: str, action: str, version: int | None, approver: str, change_request: str
) -> Promotion | None:
    """Return the last recorded promotion if it is the one that is asked for. `version` is None for a rollback."""
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
    remedy = "name the approver and the change request"
    return people.checked(approver, "--approver", remedy), people.checked(change_request, "--change-request", remedy)
