"""Whether the trail behind the scores still says what it said when it was written.

Four things are compared, each with what was entered in the audit log at the time: the log's own hashes, the facts that
it tells of, the digest of every score partition, and the artifacts of every model version.
"""

import hashlib
import json
from dataclasses import dataclass

from nightbook import registry
from nightbook.errors import NightbookError
from nightbook.warehouse import Query, has


@dataclass(frozen=True)
class Checked:
    """What was found to be as recorded. head: hash of the last entry, which answers for all of them."""

    entries: int
    facts: int
    partitions: int
    versions: int
    head: str


def verify(query: Query, head: str | None = None) -> Checked:
    """Compare everything with the audit log.

    Args:
        query: SQL to rows as dictionaries, on a warehouse that has an audit log.
        head: hash of an entry that was noted elsewhere; the log must still hold it. Who can write the whole log can
            write another one, whole and right in itself, and only a hash out of his reach tells the two apart.

    Raises:
        NightbookError: names the first thing that is not as recorded.
    """
    entries = query(
        "select sequence, kind, subject, payload, strftime(recorded_at, '%Y-%m-%d %H:%M:%S') as recorded_at,"
        " previous_hash, entry_hash from audit.audit_chain order by sequence"
    )
    _check_hashes(entries, head)
    facts = _check_facts(entries, query("select kind, subject, payload from audit.audit_facts"))
    partitions = _check_partitions(entries, query)
    versions = _check_registry(query)
    return Checked(len(entries), facts, partitions, versions, entries[-1]["entry_hash"] if entries else "")


def entry_hash(previous_hash: str, entry: dict) -> str:
    """SHA-256 of an entry and the hash before it; the macro entry_hash says the same in SQL."""
    lines = [previous_hash, str(entry["sequence"])] + [
        entry[name] for name in ("kind", "subject", "recorded_at", "payload")
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _check_hashes(entries: list[dict], head: str | None) -> None:
    previous = ""
    for number, entry in enumerate(entries, start=1):
        name = f"audit log, entry {entry['sequence']} ({entry['kind']} {entry['subject']})"
        if entry["sequence"] != number:
            raise NightbookError(f"{name}: entry {number} should stand here: one was taken out, put in or moved")
        if entry["previous_hash"] != previous:
            raise NightbookError(f"{name}: does not follow the entry before it: one of the two was exchanged or moved")
        if any(entry[column] is None for column in entry) or entry_hash(previous, entry) != entry["entry_hash"]:
            raise NightbookError(f"{name}: was changed after it was written, its hash is another")
        previous = entry["entry_hash"]
    if head and head not in (entry["entry_hash"] for entry in entries):
        raise NightbookError(
            f"audit log: holds no entry with the hash {head}: it was cut short or written anew after that was noted"
        )


def _check_facts(entries: list[dict], facts: list[dict]) -> int:
    now = {(fact["kind"], fact["subject"]): fact["payload"] for fact in facts}
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
    return len(logged)


def _check_partitions(entries: list[dict], query: Query) -> int:
    """The last entry of each relation and date must be the partition that stands there."""
    last = {}
    for entry in entries:
        if entry["kind"] == "partition":
            relation, as_of_date, run_id = entry["subject"].split(" ")
            last[relation, as_of_date] = (run_id, entry)
    there = {
        (row["relation_name"], str(row["as_of_date"]), row["run_id"])
        for relation in ("fct_account_scores", "fct_application_scores")
        for row in query(
            f"select distinct '{relation}' as relation_name, as_of_date, run_id from marts.{relation}"
            if has(query, "marts", relation)
            else "select 1 where false"
        )
    }
    for (relation, as_of_date), (run_id, entry) in last.items():
        name = f"{relation} of {as_of_date}"
        recorded = json.loads(entry["payload"])
        [found] = query(
            "select count(*) as row_count, max(digest) as digest, max(row_count) as rows"
            " from marts.fct_score_partitions"
            f" where relation_name = '{relation}' and as_of_date = date '{as_of_date}' and run_id = '{run_id}'"
        )
        if not found["row_count"] and recorded["row_count"]:
            raise NightbookError(
                f"{name}: the scores of run {run_id} are gone (entry {entry['sequence']} of the audit log)"
            )
        if found["row_count"] and (found["rows"], found["digest"]) != (recorded["row_count"], recorded["digest"]):
            raise NightbookError(
                f"{name}: holds other scores than run {run_id} wrote, {found['rows']} rows now and"
                f" {recorded['row_count']} then (entry {entry['sequence']} of the audit log); `reproduce` finds which"
            )
    for relation, as_of_date, run_id in sorted(there):
        if last.get((relation, as_of_date), (None,))[0] != run_id:
            raise NightbookError(
                f"{relation} of {as_of_date}: holds scores of run {run_id}, which the audit log does not know: the run"
                f" was broken off, or the rows were put in by other means; `score --as-of {as_of_date}` mends it"
            )
    return len(last)


def _check_registry(query: Query) -> int:
    """The registry must agree with its mirror, and every artifact with its digest."""
    mirror = {(row["model_name"], row["sequence"]): row for row in query("select * from audit.fct_promotions")}
    for move in registry.all_promotions():
        key = (move["model_name"], move["sequence"])
        changed = _differences(mirror.pop(key, {}), move)
        if changed:
            raise NightbookError(f"registry, {key[0]} promotion {key[1]}: {changed}")
    for model_name, sequence in mirror:
        raise NightbookError(
            f"registry, {model_name} promotion {sequence}: is gone, its mirror in the warehouse has it"
        )
    versions = query("select model_name, model_version, model_digest, data_digest from audit.fct_model_versions")
    for row in versions:
        model = registry.load(row["model_name"], row["model_version"])
        found = {"model_digest": model.digest, "data_digest": model.metadata["data_digest"]}
        changed = _differences({name: row[name] for name in found}, found)
        if changed:
            raise NightbookError(f"registry, {row['model_name']} version {row['model_version']}: {changed}")
    return len(versions)


def _differences(recorded: dict, found: dict) -> str:
    """What is not as recorded, in words; a column that is empty on both sides, or absent from one, is the same."""
    changed = [
        f"{name} is {json.dumps(found.get(name), default=str)}, was {json.dumps(recorded.get(name), default=str)}"
        for name in dict.fromkeys([*recorded, *found])
        if recorded.get(name) != found.get(name)
    ]
    return "; ".join(changed)
