"""Who made, approved and replaced which version, and how versions differ."""

from nightbook.registry import model_versions
from nightbook.registry.record import Version

from docsite.blocks import Missing, Section, Table, Text, node
from docsite.cited import Cited
from docsite.model.subject import Subject, cited

_COMPARED = ("algorithm", "data_digest", "git_commit", "libraries")
_DIGITS = 12


def section(subject: Subject) -> Section:
    """Versions, moves of the champion, and differences from one version to the next."""
    if not subject.versions:
        return Section("Approvals and changes", "changes", [Missing("No version has ever been registered.")])
    versions = [
        [
            cited(one, "model_version", "count"),
            cited(one, "algorithm"),
            cited(one, "registered_at"),
            cited(one, "maker"),
            cited(one, "approver"),
            cited(one, "change_request"),
            cited(one, "is_champion"),
        ]
        for one in reversed(subject.versions)
    ]
    moves = [
        [
            Cited(
                getattr(move, field),
                f"select {field} from audit.fct_promotions where model_name = '{subject.name}'"
                f" and sequence = {move.sequence}",
            )
            for field in (
                "promoted_at",
                "action",
                "model_version",
                "previous_version",
                "approver",
                "change_request",
                "actor",
                "is_by_makers_account",
            )
        ]
        for move in reversed(subject.reading.record.moves(subject.name))
    ]
    blocks: list[object] = [
        Table(
            ["version", "algorithm", "registered (UTC)", "made by", "approved by", "change", "champion"], versions, (0,)
        ),
        Text(
            [
                "Every change of the champion, latest first, as recorded in ",
                node("fct_promotions"),
                " and entered in ",
                node("fct_audit_log"),
                ".",
            ]
        ),
        Table(["at (UTC)", "what", "version", "before", "approver", "change", "typed by", "its maker"], moves, (2, 3)),
    ]
    differences = [
        row
        for before, after in zip(subject.versions, subject.versions[1:], strict=False)
        for row in _differences(before, after)
    ][::-1]
    if differences:
        blocks.append(Text(["What differs between a version and the one before it:"]))
        blocks.append(Table(["version", "what", "before", "after"], differences, (0,)))
    return Section("Approvals and changes", "changes", blocks)


def _differences(before: Version, after: Version) -> list[list[object]]:
    old, new = (_known(one) for one in (before, after))
    return [
        [cited(after, "model_version", "count"), name, _short(old[name]), _short(new[name])]
        for name in _COMPARED
        if old[name] != new[name]
    ]


def _known(version: Version) -> dict:
    """What is known even if the artifact is missing. The version itself stays on record."""
    return {
        "algorithm": version.algorithm,
        "data_digest": version.data_digest,
        "git_commit": version.git_commit,
        "libraries": model_versions.libraries(version.mlflow_run_id),
    }


def _short(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in sorted(value.items()))
    return str(value)[:_DIGITS]
