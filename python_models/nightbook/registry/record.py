"""The warehouse's record of versions, verdicts and promotions, and whether the registry agrees with it.

Anybody with write access to the registry can set a tag or an alias, so these prove nothing. This record decides what
scores. A version may score if a training registered it after its gate passed it, and a recorded approval made it
champion. Each row of the record must match its entry in the audit log.
"""

import functools
import json
import math
import shlex
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from typing import Any

from nightbook import people
from nightbook.engine import frames
from nightbook.errors import NightbookError
from nightbook.registry import chain, model_versions

# Where each part of the record is stored: schema, table, order.
RELATIONS = {
    "entries": ("audit", "audit_chain", ("sequence",)),
    "promotions": ("audit", "promotion_log", ("model_name", "sequence")),
    "versions": ("audit", "version_log", ("model_name", "model_version")),
    "verdicts": ("training", "fct_gate_decisions", ("model_name", "run_id", "rule")),
}
_SUBJECTS = {
    "promotion": "{model_name} promotion {sequence}",
    "model_version": "{model_name} version {model_version}",
    "gate_decision": "{model_name} {run_id} {rule}",
}
_LET_IN = ("pass", "warn", "not_applicable")


@dataclass(frozen=True)
class Promotion:
    """One recorded move of the champion. `sequence` counts from 1 within a model; `promoted_at` is UTC."""

    model_name: str
    sequence: int
    action: str
    model_version: int
    previous_version: int | None
    approver: str
    change_request: str
    actor: str
    promoted_at: datetime
    # Unknown for promotions from before this was recorded.
    is_by_makers_account: bool | None = None

    @property
    def command(self) -> str:
        """The command that was typed, so that it can be repeated."""
        version = ["--version", str(self.model_version)] if self.action == "approve" else []
        words = ("--approver", self.approver, "--change-request", self.change_request)
        return shlex.join(["python", "orchestrate.py", self.action, self.model_name, *version, *words])


@dataclass(frozen=True)
class Version:
    """One version that a training registered, with its origin and its last approval. Times are UTC."""

    model_name: str
    model_version: int
    mlflow_run_id: str
    model_digest: str
    algorithm: str
    maker: str
    run_id: str
    registered_at: datetime
    metadata_digest: str
    data_digest: str
    git_commit: str
    artifact_digest: str | None
    is_champion: bool
    approver: str | None
    change_request: str | None
    approved_at: datetime | None
    is_by_makers_account: bool | None


@dataclass(frozen=True)
class Record:
    """Rows of the four relations, as dictionaries."""

    entries: Sequence[dict] = field(default=(), repr=False)
    promotions: Sequence[dict] = field(default=(), repr=False)
    versions: Sequence[dict] = field(default=(), repr=False)
    verdicts: Sequence[dict] = field(default=(), repr=False)

    @classmethod
    def of(cls, query: Callable[..., list[dict]]) -> "Record":
        """Read it from a warehouse; a missing relation is empty. `query`: as `warehouse.asking` yields it."""
        there = {
            (row["schema_name"], row["table_name"])
            for row in query(
                "select distinct lower(table_schema) as schema_name, lower(table_name) as table_name"
                " from information_schema.columns where lower(table_schema) in ('audit', 'training')"
            )
        }
        return cls(
            **{
                name: query(f"select * from {schema}.{table} order by {', '.join(order)}")
                for name, (schema, table, order) in RELATIONS.items()
                if (schema, table) in there
            }
        )

    @classmethod
    def of_frames(
        cls, entries: frames.Frame, promotions: frames.Frame, versions: frames.Frame, verdicts: frames.Frame
    ) -> "Record":
        """Read it from an engine's frames, in a build."""
        given = {"entries": entries, "promotions": promotions, "versions": versions, "verdicts": verdicts}
        return cls(**{name: frames.rows(frame, RELATIONS[name][2]) for name, frame in given.items()})

    @property
    def model_names(self) -> list[str]:
        """Every model with a recorded version, in alphabetical order."""
        return sorted({row["model_name"] for row in self.versions})

    def moves(self, model_name: str) -> list[Promotion]:
        """Moves of a model's champion, oldest first.

        An earlier version of this library could record a move and die before it was carried out. The next move then
        starts from another version, and the move is left out here.
        """
        names = [one.name for one in fields(Promotion)]
        found = [Promotion(**_some(row, names)) for row in self.promotions if row["model_name"] == model_name]
        after = [*(move.previous_version for move in found[1:]), *(move.model_version for move in found[-1:])]
        return [move for move, version in zip(found, after, strict=True) if move.model_version == version]

    def champion_version(self, model_name: str) -> int | None:
        """The version that the last recorded promotion made champion, None if there is none."""
        moves = self.moves(model_name)
        return moves[-1].model_version if moves else None

    def champion_at(self, model_name: str, moment: datetime) -> int | None:
        """The version that was champion at a moment, UTC. None before the first approval."""
        moves = [move for move in self.moves(model_name) if move.promoted_at <= moment]
        return moves[-1].model_version if moves else None

    def versions_of(self, model_name: str) -> list[Version]:
        """Every recorded version, oldest first."""
        moves = self.moves(model_name)
        approvals = {move.model_version: move for move in moves}
        known = [one.name for one in fields(Version)]
        found = []
        for row in self.versions:
            if row["model_name"] == model_name:
                approval = approvals.get(row["model_version"])
                found.append(
                    Version(
                        **_some(row, [name for name in known if name in row or name == "artifact_digest"]),
                        is_champion=bool(moves) and row["model_version"] == moves[-1].model_version,
                        approver=approval.approver if approval else None,
                        change_request=approval.change_request if approval else None,
                        approved_at=approval.promoted_at if approval else None,
                        is_by_makers_account=approval.is_by_makers_account if approval else None,
                    )
                )
        return found

    def version(self, model_name: str, number: int) -> Version:
        """One recorded version.

        Raises:
            NightbookError: there is none with that number.
        """
        versions = self.versions_of(model_name)
        for one in versions:
            if one.model_version == number:
                return one
        if number in model_versions.version_numbers(model_name):
            raise NightbookError(
                f"{model_name} version {number} is not recorded: no training of this warehouse registered it, so no "
                "gate has judged it; train, and approve the version that this registers"
            )
        if not versions:
            raise NightbookError(
                f"no registered model is called {model_name}; registered: "
                f"{' and '.join(self.model_names) or 'none, train first'}"
            )
        raise NightbookError(
            f"{model_name} has no version {number}: registered versions are "
            f"{', '.join(str(one.model_version) for one in versions)}"
        )

    def names_champion(self, model_name: str) -> bool:
        """Whether there is a champion, by the record or, if wrongly, by the registry's alias."""
        return self.champion_version(model_name) is not None or model_versions.champion_version(model_name) is not None

    def champion(self, model_name: str) -> model_versions.Model:
        """The version that scores, checked against the record and its bytes.

        Raises:
            NightbookError: there is none, the alias is not where the last recorded promotion put it, or as `held`.
        """
        self.hold()
        alias, moves = model_versions.champion_version(model_name), self.moves(model_name)
        if not moves and alias is None:
            raise NightbookError(
                f"{model_name} has no champion: train it, then approve a version with "
                f"`python orchestrate.py approve {model_name} --version N --approver NAME --change-request ID`"
            )
        if not moves:
            raise NightbookError(
                f"{model_name}: the alias {model_versions.CHAMPION} names version {alias}, which no recorded approval "
                f"put there: approve a version with `python orchestrate.py approve {model_name} ...`"
            )
        last = moves[-1]
        if alias != last.model_version:
            where = f"names version {alias}" if alias is not None else "is missing"
            if alias == last.previous_version:
                raise NightbookError(
                    f"{model_name}: the recorded {_word(last)} of version {last.model_version} was not carried out, "
                    f"the alias {model_versions.CHAMPION} {where}: run the command again: {last.command}"
                )
            if alias is not None:
                where += ", which no recorded approval put there"
            raise NightbookError(
                f"{model_name}: the alias {model_versions.CHAMPION} {where}; version {last.model_version} is recorded: "
                f"{last.command} puts it back"
            )
        if own := own_hand(self.version(model_name, last.model_version).maker, last):
            raise NightbookError(
                f"{model_name} version {last.model_version}: {own} made it and took part in its {_word(last)}: it "
                "needs somebody else's approval to score"
            )
        return self.held(model_name, last.model_version)

    def once_champion(self, model_name: str, number: int) -> model_versions.Model:
        """A version that was champion at some time, checked against the record and its bytes.

        Raises:
            NightbookError: no recorded approval ever made it champion, or as `held`.
        """
        self.hold()
        maker = self.version(model_name, number).maker
        if all(move.model_version != number or own_hand(maker, move) for move in self.moves(model_name)):
            raise NightbookError(
                f"{model_name} version {number} was never champion: no approval of it is recorded, and only an "
                "approved version scores; approve it first"
            )
        return self.held(model_name, number)

    def held(self, model_name: str, number: int) -> model_versions.Model:
        """A version whose record, verdicts, registry and bytes all agree.

        Raises:
            NightbookError: names the first one that disagrees.
        """
        self.hold()
        version = self.version(model_name, number)
        name = f"{model_name} version {number}"
        if ("model_version", name) not in self._entered:
            raise NightbookError(f"{name} has no entry in the audit log: its training did not finish; train again")
        self._require_verdict(version)
        stated = model_versions.stated(model_name, number)
        for column, found in stated.items():
            recorded = getattr(version, column)
            # The digest of the whole artifact is unknown for versions registered before it existed.
            if recorded != found and (column != "artifact_digest" or recorded is not None):
                raise NightbookError(
                    f"{name}: its {_words(column)} is {found} in the registry, but {recorded} in the record: one of "
                    "the two was changed; restore the registry, or train again"
                )
        return model_versions.load(model_name, number)

    def hold(self) -> None:
        """Check the record against the audit log. The result is cached.

        Raises:
            NightbookError: a hash is not right, or a promotion, version or verdict is not what was entered.
        """
        return self._whole

    @functools.cached_property
    def _whole(self) -> None:
        chain.check(self.entries)
        left = {key for key in self._entered if key[0] in _SUBJECTS}
        for kind, rows in (
            ("promotion", self.promotions),
            ("model_version", self.versions),
            ("gate_decision", self.verdicts),
        ):
            for row in rows:
                subject = _SUBJECTS[kind].format_map(row)
                entry = self._entered.get((kind, subject))
                if entry is None:
                    # The next training replaces what a killed training left. A promotion is always entered with its
                    # row.
                    if kind == "promotion":
                        raise NightbookError(
                            f"{kind} {subject}: its row has no entry in the audit log: it was not written by "
                            "`approve` or `rollback`"
                        )
                    continue
                if (kind, subject) not in left:
                    raise NightbookError(f"{kind} {subject}: has more than one row: one of them was added by hand")
                left.remove((kind, subject))
                if changed := differences(json.loads(entry["payload"]), row):
                    raise NightbookError(f"{kind} {subject}: {changed} (entry {entry['sequence']} of the audit log)")
        for kind, subject in sorted(left):
            raise NightbookError(
                f"{kind} {subject}: is entry {self._entered[kind, subject]['sequence']} of the audit log, but its row "
                "is missing"
            )

    @functools.cached_property
    def _entered(self) -> dict[tuple[str, str], dict]:
        return {(entry["kind"], entry["subject"]): entry for entry in self.entries}

    def _require_verdict(self, version: Version) -> None:
        """The gate of some training must have judged this very candidate and passed it, by the audit log itself.

        A later gate may judge it again, beside a better champion or by other rules. That does not undo the earlier
        verdict.
        """
        judged = defaultdict(list)
        for (kind, _), entry in self._entered.items():
            if kind == "gate_decision":
                verdict = json.loads(entry["payload"])
                if (verdict["model_name"], verdict["mlflow_run_id"]) == (version.model_name, version.mlflow_run_id):
                    judged[verdict["run_id"]].append(verdict)
        blocking = [[one for one in verdicts if one["severity"] == "block"] for verdicts in judged.values()]
        if any(verdicts and all(one["verdict"] in _LET_IN for one in verdicts) for verdicts in blocking):
            return
        name = f"{version.model_name} version {version.model_version}"
        failed = sorted({one["rule"] for one in sum(judged.values(), []) if one["verdict"] not in _LET_IN})
        what = f"failed {', '.join(failed)}" if failed else "has no verdict in the audit log"
        raise NightbookError(
            f"{name} did not pass the gate: it {what}; train, and approve the version that this registers"
        )


def check(record: Record, model_names: Iterable[str], pinned: Mapping[str, int]) -> None:
    """Check, before anything is computed, that the versions that would score may do so.

    Args:
        record: the warehouse's record.
        model_names: models whose champion would score. A model without a champion is skipped.
        pinned: model name -> version that would score in the champion's place.

    Raises:
        NightbookError: as `champion` and `once_champion`, or the store does not answer.
    """
    for name in model_names:
        if name in pinned:
            record.once_champion(name, pinned[name])
        elif record.names_champion(name):
            record.champion(name)


def differences(recorded: Mapping, found: Mapping, tolerance: float = 1e-9) -> str:
    """What differs from the recorded row, in words. A null on one side equals a missing column on the other.

    Args:
        recorded: values from JSON; times and dates are text.
        found: what the row says now.
        tolerance: relative, for numbers, because JSON holds the digits that the engine writes of a double. It is 0 for
            two texts of JSON.
    """
    changed = [
        f"{name} is {json.dumps(found.get(name), default=str)}, was {json.dumps(recorded.get(name), default=str)}"
        for name in dict.fromkeys([*recorded, *found])
        if not _same(recorded.get(name), found.get(name), tolerance)
    ]
    return "; ".join(changed)


def _some(row: dict, names: Iterable[str]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}


def _same(recorded: Any, found: object, tolerance: float) -> bool:
    if recorded == found:
        return True
    try:
        if isinstance(found, datetime):
            return datetime.fromisoformat(recorded) == found
        if isinstance(found, date):
            return date.fromisoformat(recorded) == found
        if isinstance(found, float):
            both_nan = math.isnan(found) and math.isnan(float(recorded))
            return both_nan or math.isclose(float(recorded), found, rel_tol=tolerance)
    except (TypeError, ValueError):
        pass
    return False


def _word(move: Promotion) -> str:
    return "approval" if move.action == "approve" else "rollback"


def _words(column: str) -> str:
    return column.replace("_", " ").replace("mlflow run id", "MLflow run")


def own_hand(maker: str, move: Promotion) -> str | None:
    """The maker's name if the maker decided the promotion, or typed it although policy did not allow it.

    For older promotions it is unknown who typed them, so only the decision counts.
    """
    if people.same_person(maker, move.approver):
        return move.approver
    return move.actor if move.is_by_makers_account is False and people.same_person(maker, move.actor) else None
