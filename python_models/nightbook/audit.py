"""Whether the trail behind the scores still says what it said when it was written.

Four things are compared, each with what was entered in the audit log at the time: the log's own hashes, the facts that
it tells of, the digest of every score partition, and the artifacts of every model version.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import date

from nightbook import registry
from nightbook.errors import NightbookError
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
    _check_hashes(entries, head)
    found = query(facts)
    _check_facts(entries, found)
    checked = _check_partitions(entries, query, partitions)
    versions = _check_registry(query)
    last = entries[-1]["entry_hash"] if entries else ""
    return Checked(len(entries), len(found), checked, versions, last, _entered_late(entries, found))


def entry_hash(previous_hash: str, entry: dict) -> str:
    """SHA-256 of an entry and the hash before it; the macro entry_hash says the same in SQL."""
    recorded_at = f"{entry['recorded_at']:%Y-%m-%d %H:%M:%S}"
    lines = [previous_hash, str(entry["sequence"]), entry["kind"], entry["subject"], recorded_at]
    lines += [entry["run_id"], entry["payload"]]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _check_hashes(entries: list[dict], head: str | None) -> None:
    previous, named = "", {}
    for number, entry in enumerate(entries, start=1):
        name = f"audit log, entry {entry['sequence']} ({entry['kind']} {entry['subject']})"
        if entry["sequence"] != number:
            raise NightbookError(f"{name}: entry {number} should stand here: one was taken out, put in or moved")
        if entry["previous_hash"] != previous:
            raise NightbookError(f"{name}: does not follow the entry before it: one of the two was exchanged or moved")
        if any(entry[column] is None for column in entry) or entry_hash(previous, entry) != entry["entry_hash"]:
            raise NightbookError(f"{name}: was changed after it was written, its hash is another")
        key = (entry["kind"], entry["subject"])
        if key in named:
            raise NightbookError(f"{name}: was entered before, as entry {named[key]}: a fact is entered once")
        previous, named[key] = entry["entry_hash"], number
    if head and head not in (entry["entry_hash"] for entry in entries):
        raise NightbookError(
            f"audit log: holds no entry with the hash {head}: it was cut short or written anew after that was noted"
        )


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
        changed = _differences(json.loads(entry["payload"]), json.loads(now[key]))
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


def _check_registry(query: Query) -> int:
    """The registry must agree with its mirror, and every artifact with its digests."""
    mirror = {(row["model_name"], row["sequence"]): row for row in query("select * from audit.fct_promotions")}
    for move in registry.all_promotions():
        key = (move["model_name"], move["sequence"])
        if key not in mirror:
            raise NightbookError(
                f"registry, {key[0]} promotion {key[1]}: is not in the warehouse yet; `dbt build --selector registry`"
                " brings it in, and says who asked for it"
            )
        changed = _differences(mirror.pop(key), move)
        if changed:
            raise NightbookError(f"registry, {key[0]} promotion {key[1]}: {changed}")
    for model_name, sequence in mirror:
        raise NightbookError(
            f"registry, {model_name} promotion {sequence}: is gone, its mirror in the warehouse has it"
        )
    now = {(row["model_name"], row["model_version"]): row for row in registry.all_versions()}
    versions = query(
        "select model_name, model_version, model_digest, metadata_digest, data_digest from audit.fct_model_versions"
    )
    for row in versions:
        name = f"registry, {row['model_name']} version {row['model_version']}"
        found = now.get((row["model_name"], row["model_version"]))
        if found is None:
            raise NightbookError(f"{name}: is gone, its mirror in the warehouse has it")
        changed = _differences(row, {key: found[key] for key in row})
        if changed:
            raise NightbookError(f"{name}: {changed}")
        registry.load(row["model_name"], row["model_version"])
    return len(versions)


def _differences(recorded: dict, found: dict) -> str:
    """What is not as recorded, in words; a column that is empty on both sides, or absent from one, is the same."""
    changed = [
        f"{name} is {json.dumps(found.get(name), default=str)}, was {json.dumps(recorded.get(name), default=str)}"
        for name in dict.fromkeys([*recorded, *found])
        if recorded.get(name) != found.get(name)
    ]
    return "; ".join(changed)
