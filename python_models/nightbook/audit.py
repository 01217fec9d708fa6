"""Whether the trail behind the scores still says what it said when it was written.

Four things are compared, each with what was entered in the audit log at the time: the log's own hashes, the facts that
it tells of, the digest of every score partition, and what the registry and the artifacts say of every model version.
"""

import json
from dataclasses import dataclass
from datetime import date

from nightbook import chain, people, registry
from nightbook.errors import NightbookError
from nightbook.record import Promotion, Record, differences
from nightbook.warehouse import Query, has


@dataclass(frozen=True)
class Checked:
    """What was found to be as recorded. head: hash of the last entry, which answers for all; notes: a line each."""

    entries: int
    facts: int
    partitions: int
    versions: int
    head: str
    notes: tuple[str, ...] = ()


def verify(query: Query, facts: str, partitions: str, head: str | None = None) -> Checked:
    """Compare everything with the audit log.

    Args:
        query: SQL to rows as dictionaries, on a warehouse that has an audit log.
        facts, partitions: SQL of the models audit_facts and fct_score_partitions as the project has it. Relations of
            those names may have been exchanged in the warehouse that is looked into.
        head: hash of an entry that was noted elsewhere; the log must still hold it. Who can write the whole log can
            write another one, whole and right in itself, and only a hash out of his reach tells the two apart.

    Raises:
        NightbookError: names the first thing that is not as recorded.
    """
    entries = query(
        "select sequence, kind, subject, payload, recorded_at, run_id, previous_hash, entry_hash"
        " from audit.audit_chain order by sequence"
    )
    last = chain.check(entries, head)
    found = query(facts)
    _check_facts(entries, found)
    checked = _check_partitions(entries, query, partitions)
    versions, unknown = _check_registry(Record.of(query))
    return Checked(len(entries), len(found), checked, versions, last, (*_entered_late(entries, found), *unknown))


def _check_facts(entries: list[dict], facts: list[dict]) -> None:
    now: dict[tuple[str, str], str] = {}
    for fact in facts:
        key = (fact["kind"], fact["subject"])
        if key in now:
            raise NightbookError(f"{key[0]} {key[1]}: has more than one row: one of them was put in by other means")
        now[key] = fact["payload"]
    logged = {(entry["kind"], entry["subject"]): entry for entry in entries if entry["kind"] != "partition"}
    for key, entry in logged.items():
        name = f"{key[0]} {key[1]}"
        if key not in now:
            raise NightbookError(f"{name}: is entry {entry['sequence']} of the audit log, but its row is gone")
        changed = differences(json.loads(entry["payload"]), json.loads(now[key]))
        if changed:
            raise NightbookError(f"{name}: {changed} (entry {entry['sequence']} of the audit log)")
    for kind, subject in now:
        if (kind, subject) not in logged:
            raise NightbookError(f"{kind} {subject}: its row is in no entry of the audit log: put in by other means")


def _entered_late(entries: list[dict], facts: list[dict]) -> tuple[str, ...]:
    """Facts that another run entered than their own: that was broken off, or they were put in afterwards."""
    first_fill = entries[0]["run_id"] if entries else None
    own = {(fact["kind"], fact["subject"]): fact["run_id"] for fact in facts if fact["run_id"]}
    return tuple(
        f"entry {entry['sequence']}, {entry['kind']} {entry['subject']}: entered by a later run, {entry['run_id']}"
        for entry in entries
        if entry["run_id"] not in (own.get((entry["kind"], entry["subject"]), entry["run_id"]), first_fill)
    )


def _check_partitions(entries: list[dict], query: Query, partitions: str) -> int:
    """The last entry of each relation and date must be the partition that stands there, of a run that is known."""
    last = {}
    runs = {entry["subject"] for entry in entries if entry["kind"] == "run"}
    for entry in entries:
        if entry["kind"] == "partition":
            relation, as_of_date, run_id = entry["subject"].split(" ")
            last[relation, as_of_date] = (run_id, entry)
    there = [
        (relation, str(row["as_of_date"]), row["run_id"])
        for relation in ("fct_account_scores", "fct_application_scores")
        if has(query, "marts", relation)
        for row in query(f"select distinct as_of_date, run_id from marts.{relation} order by as_of_date, run_id")
    ]
    for (relation, as_of_date), (run_id, entry) in last.items():
        name = f"{relation} of {as_of_date}"
        of_log = f"(entry {entry['sequence']} of the audit log)"
        recorded = json.loads(entry["payload"])
        found = query(
            f"select row_count, digest from (\n{partitions}\n) as partitions"
            " where relation_name = ? and as_of_date = ? and run_id = ?",
            [relation, date.fromisoformat(as_of_date), run_id],
        )
        if not found and recorded["row_count"]:
            raise NightbookError(f"{name}: the scores of run {run_id} are gone {of_log}")
        if found and found[0] != recorded:
            raise NightbookError(
                f"{name}: holds other scores than run {run_id} wrote, {found[0]['row_count']} rows now and"
                f" {recorded['row_count']} then {of_log}; `reproduce --as-of {as_of_date}` finds which"
            )
        if run_id not in runs:
            raise NightbookError(f"{name}: was entered for run {run_id}, of which the audit log has no record {of_log}")
    for relation, as_of_date, run_id in there:
        if last.get((relation, as_of_date), (None,))[0] != run_id:
            raise NightbookError(
                f"{relation} of {as_of_date}: holds scores of run {run_id}, which the audit log does not know: the run"
                f" was broken off, or the rows were put in by other means; `backfill --from {as_of_date} --to"
                f" {as_of_date}` scores the date anew"
            )
    return len(last)


def _check_registry(record: Record) -> tuple[int, tuple[str, ...]]:
    """Registry and artifacts against the record: every version, and which is champion.

    Returns:
        How many versions are on record, and a line for each of the registry's that is not, and for each promotion that
        a version's maker had a hand in.
    """
    notes = []
    for name in record.model_names:
        for version in record.versions_of(name):
            record.held(name, version.model_version)
        if record.names_champion(name):
            record.champion(name)
        known = {version.model_version: version.maker for version in record.versions_of(name)}
        notes += [
            f"registry, {name} version {number}: no training of this warehouse registered it; it cannot be approved"
            for number in registry.version_numbers(name)
            if number not in known
        ]
        notes += [
            f"{name} promotion {move.sequence}: {own} made version {move.model_version}, and had a hand in this: it was"
            f" recorded by other means than {move.action}, or by one of an earlier version"
            for move in record.moves(name)
            if (own := _own_hand(known.get(move.model_version, ""), move))
        ]
    return len(record.versions), tuple(notes)


def _own_hand(maker: str, move: Promotion) -> str | None:
    """The maker's name, by which he decided, or typed although nobody let him; unknown of what was typed before that."""
    if people.same_person(maker, move.approver):
        return move.approver
    return move.actor if move.is_by_makers_account is False and people.same_person(maker, move.actor) else None
