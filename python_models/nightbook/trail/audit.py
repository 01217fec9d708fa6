"""Check that the audit trail still says what it said when it was written.

Four things are compared with what was entered in the audit log at the time:

- the log's own hashes
- the facts that it records
- the digest of every published partition
- what the registry and the artifacts say of every model version
"""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

import duckdb
import pyarrow as pa

from nightbook import provenance
from nightbook.catalog import scoring_models
from nightbook.engine import frames, home, warehouse
from nightbook.engine.warehouse import Query, has
from nightbook.errors import NightbookError
from nightbook.registry import chain, model_versions
from nightbook.registry.record import Record, differences, own_hand
from nightbook.trail import definitions

# One digest for the digits beyond float32, over all columns that have no digest of their own.
_REST = "beyond_float32"
# Facts that a training writes before it ends.
_OF_TRAINING = ("model_version", "gate_decision")
_INPUTS = "rpt_regulatory_features"
# Rows of one relation that one query digests; they fit into the memory of a small machine.
_ROWS_AT_A_TIME = 5_000_000


def _scores() -> list[str]:
    return [model.scores for model in scoring_models.read().values()]


class Sql(NamedTuple):
    """SQL of the project that `verify` compares by: models that are views, and two analyses.

    It is not taken from the warehouse, where a view of the same name could have been replaced.
    """

    audit_facts: str
    fct_score_partitions: str
    published_partitions: str
    partition_digests: str
    fct_audit_log: str
    fct_fairness: str
    fct_lineage_edges: str
    fct_model_versions: str
    fct_promotions: str
    fct_runs: str
    rpt_regulatory_features: str


# Tables behind the views of the trail, and behind the audit log itself.
_TABLES = {
    "audit": ("audit_chain", "promotion_log", "run_log", "version_log"),
    "fairness": ("fairness_of_nights", "fairness_of_trainings"),
    "scoring": ("account_inputs",),
    "training": ("fct_gate_decisions",),
}


@dataclass(frozen=True)
class Checked:
    """What was found as recorded. `head` is the hash of the last entry, which covers all entries; `notes` are lines."""

    entries: int
    facts: int
    partitions: int
    versions: int
    head: str
    notes: tuple[str, ...] = ()


def verify(connection: warehouse.Connection, sql: Sql, head: str | None = None) -> Checked:
    """Compare everything with the audit log.

    Args:
        connection: to a warehouse that has an audit log.
        sql: the SQL to compare by.
        head: hash of an entry that was noted elsewhere; the log must still hold it. Whoever can write the whole log can
            replace it by another consistent one. Only a hash out of their reach shows the difference.

    Raises:
        NightbookError: names the first thing that is not as recorded.
    """
    query = warehouse.query(connection)
    check_unbroken(query)
    if not home.is_account():
        definitions.check_functions(query)
        definitions.check_columns(query)
    _check_tables(query, _TABLES)
    entries = query(
        "select sequence, kind, subject, payload, recorded_at, run_id, previous_hash, entry_hash"
        " from audit.audit_chain order by sequence"
    )
    last = chain.check(entries, head)
    found = query(sql.audit_facts)
    waiting = _check_facts(entries, found)
    versions, unknown = _check_registry(Record.of(query))
    checked, notes = _check_partitions(entries, query, sql)
    _check_inputs(entries, connection)
    if home.is_account():
        _check_views(query)
    else:
        assert isinstance(connection, duckdb.DuckDBPyConnection)
        definitions.check_views(connection, sql._asdict())
    return Checked(
        len(entries), len(found), checked, versions, last,
        (*_entered_late(entries, found), *waiting, *_other_code(found), *unknown, *notes),
    )  # fmt: skip


def check_unbroken(query: Query) -> None:
    """Refuse an audit log that lost entries. The macro refuse_broken_chain checks the same before each run.

    Run log and audit log are written in one transaction. So a run that is only in the run log was not simply killed.

    Raises:
        NightbookError: the log is empty although a run succeeded, has gaps, or lacks a run.
    """
    is_there = has(query, "audit", "audit_chain")
    counted = "select count(*) as row_count, coalesce(max(sequence), 0) as last_sequence from audit.audit_chain"
    entries = query(counted)[0] if is_there else {"row_count": 0, "last_sequence": 0}
    has_runs = has(query, "audit", "run_log")
    if entries["row_count"] == 0:
        for row in (
            query("select run_id, as_of_date from audit.run_log where outcome = 'succeeded' order by ended_at limit 1")
            if has_runs
            else ()
        ):
            raise NightbookError(
                f"audit log: has no entry, but the run log has run {row['run_id']} of {row['as_of_date']}: it was"
                " emptied. Restore audit.audit_chain from a backup; a new log would not cover anything before it"
            )
        # These get rows only after the audit log has entries: approvals and scores.
        for schema, table in (("audit", "promotion_log"), *(("marts", scores) for scores in _scores())):
            if has(query, schema, table) and query(f"select 1 as found from {schema}.{table} limit 1"):
                raise NightbookError(
                    f"audit log: has no entry, but {schema}.{table} has rows: it was emptied. Restore audit.audit_chain"
                    " and audit.run_log from a backup"
                )
        return
    if entries["row_count"] != entries["last_sequence"] or not has_runs:
        return
    lost = query(
        "select run_id, as_of_date from audit.run_log where run_id not in"
        " (select subject from audit.audit_chain where kind = 'run') order by ended_at limit 1"
    )
    for row in lost:
        raise NightbookError(
            f"audit log: lacks run {row['run_id']} of {row['as_of_date']}, which is in the run log. The log was cut"
            " short or the run was inserted. Restore audit.audit_chain, or delete the row from"
            " audit.run_log"
        )


def _check_facts(entries: list[dict], facts: list[dict]) -> tuple[str, ...]:
    """Check that every fact is as it was entered. Returns a line for each fact of a training that has no logged run."""
    now: dict[tuple[str, str], str] = {}
    for fact in facts:
        key = (fact["kind"], fact["subject"])
        if key in now:
            raise NightbookError(f"{key[0]} {key[1]}: has more than one row: one of them was added by hand")
        now[key] = fact["payload"]
    logged = {(entry["kind"], entry["subject"]): entry for entry in entries if entry["kind"] != "partition"}
    for key, entry in logged.items():
        name = f"{key[0]} {key[1]}"
        if key not in now:
            raise NightbookError(f"{name}: is entry {entry['sequence']} of the audit log, but its row is missing")
        changed = differences(json.loads(entry["payload"]), json.loads(now[key]), tolerance=0)
        if changed:
            raise NightbookError(f"{name}: {changed} (entry {entry['sequence']} of the audit log)")
    runs = {entry["subject"] for entry in entries if entry["kind"] == "run"}
    waiting = []
    for fact in facts:
        kind, subject = fact["kind"], fact["subject"]
        if (kind, subject) not in logged:
            name = f"{kind} {subject}: its row has no entry in the audit log"
            if kind not in _OF_TRAINING or fact["run_id"] in runs:
                raise NightbookError(f"{name}: it was added by hand")
            waiting.append(
                f"{name}: its training was interrupted, or it was added by hand; it cannot support an approval"
            )
    return tuple(waiting)


def _entered_late(entries: list[dict], facts: list[dict]) -> tuple[str, ...]:
    """Facts that another run entered than their own: their own run was interrupted, or they were added afterwards."""
    first_fill = entries[0]["run_id"] if entries else None
    own = {(fact["kind"], fact["subject"]): fact["run_id"] for fact in facts if fact["run_id"]}
    return tuple(
        f"entry {entry['sequence']}, {entry['kind']} {entry['subject']}: entered by a later run, {entry['run_id']}"
        for entry in entries
        if entry["run_id"] not in (own.get((entry["kind"], entry["subject"]), entry["run_id"]), first_fill)
    )


def _other_code(facts: list[dict]) -> tuple[str, ...]:
    """A line for each run whose code differs from an earlier run of the same commit, both without local changes."""
    first: dict[tuple[str, str], tuple[str, str]] = {}
    found = []
    runs = (json.loads(fact["payload"]) for fact in facts if fact["kind"] == "run")
    for run in sorted(runs, key=lambda run: run["ended_at"]):
        if run["is_dirty"] or not provenance.is_commit(run["git_commit"]):
            continue
        for name in (name for name in provenance.DIGESTS if run.get(name)):
            earlier, digest = first.setdefault((run["git_commit"], name), (run["run_id"], run[name]))
            if digest != run[name]:
                found.append(
                    f"run {run['run_id']}: its {name} is not that of run {earlier} of the same commit: one of the two"
                    " ran other code than the commit, or other libraries than the lock"
                )
    return tuple(found)


def _check_partitions(entries: list[dict], query: Query, sql: Sql) -> tuple[int, tuple[str, ...]]:
    """Check that each partition is the one entered last, and that no other exists. Returns their number, and notes.

    Relations that keep the rows of every run have one partition per run. Others have the last one of each date, or only
    the last one.
    """
    runs = {entry["subject"] for entry in entries if entry["kind"] == "run"}
    # Relations with at least one entry. Older partitions of other relations were published before entries began.
    begun: set[str] = set()
    standing = {
        tuple(_text(row, "relation_name", "as_of_date", "run_id")): row for row in query(sql.published_partitions)
    }
    kept = {row["relation_name"]: row["kept"] for row in standing.values()}
    last: dict[tuple, dict] = {}
    # Successful runs from before partitions were entered. Later successful runs have entries of their own.
    earlier: set[str] = set()
    for entry in entries:
        if entry["kind"] == "run" and not begun and json.loads(entry["payload"])["outcome"] == "succeeded":
            earlier.add(entry["subject"])
        if entry["kind"] == "partition":
            relation, as_of_date, run_id = entry["subject"].split(" ")
            begun.add(relation)
            earlier.discard(run_id)
            part = {"run": (relation, as_of_date, run_id), "last": (relation,)}.get(kept.get(relation, ""))
            last[part or (relation, as_of_date)] = entry
    expected = {tuple(entry["subject"].split(" ")): entry for entry in last.values()}
    of_schema: dict[str, set[str]] = {}
    for row in standing.values():
        if row["relation_name"] != _INPUTS:
            of_schema.setdefault(row["schema_name"].lower(), set()).add(row["relation_name"])
    _check_tables(query, of_schema)
    types = _column_types(query, of_schema)
    digests = _digests(query, sql, expected)
    for (relation, as_of_date, run_id), entry in expected.items():
        name = f"{relation} of {as_of_date}"
        of_log = f"(entry {entry['sequence']} of the audit log)"
        recorded = json.loads(entry["payload"])
        found = digests.get((relation, as_of_date, run_id, recorded.get("column_names")))
        what = "scores" if relation in _scores() else "rows"
        if not found and recorded["row_count"]:
            raise NightbookError(f"{name}: the {what} of run {run_id} are missing {of_log}")
        if found and (found["row_count"], found["digest"]) != (recorded["row_count"], recorded["digest"]):
            finds = f"; `reproduce --as-of {as_of_date}` shows which" if relation in (*_scores(), _INPUTS) else ""
            raise NightbookError(
                f"{name}: holds other {what} than run {run_id} wrote, {found['row_count']} rows now and"
                f" {recorded['row_count']} then {of_log}{finds}"
            )
        if not recorded["row_count"] and (relation, as_of_date, run_id) in standing:
            raise NightbookError(f"{name}: holds rows of run {run_id}, which wrote none {of_log}")
        was = recorded.get("column_types", {})
        for column, type_ in was.items() if found else ():
            if types[relation].get(column) != type_:
                raise NightbookError(
                    f"{name}: column {column} is {types[relation].get(column, 'missing')} now, but run {run_id} wrote"
                    f" it as {type_} {of_log}"
                )
        # The digest of scores covers a fixed list of columns, so columns that the run did not write must be empty.
        more = sorted(set(types.get(relation, ())) - set(was)) if was and relation in _scores() else []
        if found and more:
            found = (
                found
                | query(
                    f"select count(*) as other_values from marts.{relation} where as_of_date = ? and run_id = ? and"
                    f" ({' or '.join(f'{column} is not null' for column in more)})",
                    [date.fromisoformat(as_of_date), run_id],
                )[0]
            )
        if found and found.get("other_values"):
            raise NightbookError(f"{name}: has values in columns that run {run_id} did not write {of_log}")
        if kept.get(relation) == "date" and run_id not in runs:
            raise NightbookError(f"{name}: was entered for run {run_id}, which is not in the audit log {of_log}")
    before: dict[str, list[str]] = {}
    for relation, as_of_date, run_id in sorted(standing.keys() - expected.keys()):
        if run_id in earlier or relation.startswith("lineage_") and relation not in begun:
            before.setdefault(relation, []).append(as_of_date)
            continue
        what = "scores" if relation in _scores() else "rows"
        raise NightbookError(
            f"{relation} of {as_of_date}: holds {what} of run {run_id}, which is not in the audit log: the run"
            f" was interrupted, or the rows were added by hand; `backfill --from {as_of_date} --to"
            f" {as_of_date}` scores the date again"
        )
    notes = tuple(
        f"{relation}: {len(dates)} partitions, the last of {max(dates)}, were published before the audit log covered"
        " this relation"
        for relation, dates in before.items()
    )
    return len(expected), notes


def _digests(query: Query, sql: Sql, expected: dict[tuple, dict]) -> dict[tuple, dict]:
    """(relation, date, run, columns) -> row_count and digest as they are now.

    Few rows are digested in one query. Otherwise each relation is digested separately, a few dates at a time.
    """
    relations: dict[str, dict[str, int]] = {}
    for (relation, as_of_date, _), entry in expected.items():
        dates = relations.setdefault(relation, {})
        dates[as_of_date] = dates.get(as_of_date, 0) + json.loads(entry["payload"])["row_count"]
    asked: list[tuple[str, str, list]] = []
    if sum(sum(dates.values()) for dates in relations.values()) <= _ROWS_AT_A_TIME:
        # A home that has trained but never scored has no scores to digest.
        scores = [sql.fct_score_partitions] if relations.keys() & set(_scores()) else []
        asked = [(digests, "1 = 1", []) for digests in (*scores, sql.partition_digests)]
    else:
        for relation, dates in relations.items():
            digests = sql.fct_score_partitions if relation in _scores() else sql.partition_digests
            for some in _batches(dates):
                known = [date.fromisoformat(one) for one in some if one != "-"]
                of_date = f"as_of_date in ({', '.join('?' * len(known))})" if known else "as_of_date is null"
                asked.append((digests, f"relation_name = ? and {of_date}", [relation, *known]))
    return {
        (*_text(row, "relation_name", "as_of_date", "run_id"), row.get("column_names")): row
        for digests, condition, values in asked
        if digests.strip()
        for row in query(f"select * from (\n{digests}\n) as partitions where {condition}", values)
    }


def _batches(dates: dict[str, int]) -> Iterator[list[str]]:
    """Group dates so that each group has few enough rows. Rows without a date are a group of their own."""
    group: list[str] = []
    rows = 0
    for one in sorted(dates):
        if group and (rows + dates[one] > _ROWS_AT_A_TIME or group == ["-"]):
            yield group
            group, rows = [], 0
        group.append(one)
        rows += dates[one]
    if group:
        yield group


def _text(row: dict, *names: str) -> list[str]:
    """Values in the form that an entry's subject uses."""
    return ["-" if row[name] is None else str(row[name]) for name in names]


def _check_inputs(entries: list[dict], connection: warehouse.Connection) -> None:
    """Check that the inputs shown for a score give the score's feature digest.

    The partition's own digest covers the rest: columns that the model does not read, and digits beyond float32.
    """
    query = warehouse.query(connection)
    last = {}
    for entry in entries:
        if entry["kind"] == "partition" and entry["subject"].startswith(f"{_INPUTS} "):
            last[entry["subject"].split(" ")[1]] = entry
    columns = [
        row["column_name"]
        for row in query(
            "select lower(column_name) as column_name from information_schema.columns"
            " where lower(table_schema) = 'marts' and lower(table_name) = ? order by 1",
            [_INPUTS],
        )
    ]
    for as_of_date, entry in last.items():
        recorded = json.loads(entry["payload"])
        name = f"{_INPUTS} of {as_of_date}"
        of_log = f"(entry {entry['sequence']} of the audit log)"
        digested = {*recorded["column_names"].split(" "), "as_of_date", "run_id", "model_version", "feature_digest"}
        night = [date.fromisoformat(as_of_date)]
        versions = query(
            "select model_name, model_version, count(*) as row_count from marts.fct_account_scores where as_of_date = ?"
            " group by model_name, model_version order by model_name, model_version",
            night,
        )
        if sum(row["row_count"] for row in versions) != recorded["row_count"]:
            raise NightbookError(f"{name}: the scores and the inputs are of different accounts {of_log}")
        for row in versions:
            features = (
                model_versions.load(row["model_name"], row["model_version"]).features if _REST in digested else ()
            )
            uncovered = [column for column in columns if column not in digested and column not in features]
            checks = [f"inputs.{column} is null" for column in uncovered]
            checks += ["inputs.feature_digest = scores.feature_digest", "inputs.model_version = scores.model_version"]
            selected = ", ".join(f'inputs.{feature} as "{feature}"' for feature in features)
            sql = (
                "select scores.account_id, scores.feature_digest,"
                f" case when {' and '.join(checks)} then 1 else 0 end as is_shown{', ' if features else ''}{selected}"
                " from marts.fct_account_scores as scores"
                f" inner join marts.{_INPUTS} as inputs on scores.account_id = inputs.account_id"
                " and scores.as_of_date = inputs.as_of_date and scores.run_id = inputs.run_id"
                " where scores.as_of_date = ? and scores.model_version = ?"
            )
            rows = 0
            for batch in warehouse.batches(connection, sql, [*night, row["model_version"]]):
                rows += batch.num_rows
                wrong = _unlike_digest(batch, features)
                if wrong is not None:
                    raise NightbookError(
                        f"{name}, account {wrong}: shows other inputs than those that were scored {of_log};"
                        f" `reproduce --as-of {as_of_date} --account {wrong}` shows which"
                    )
            if rows != row["row_count"]:
                raise NightbookError(
                    f"{name}: shows the inputs of {rows} accounts, but {row['row_count']} were scored by"
                    f" {row['model_name']} version {row['model_version']} {of_log}"
                )


def _unlike_digest(batch: pa.RecordBatch, features: tuple[str, ...]) -> str | None:
    """The first account whose inputs do not give the digest of its score."""
    from nightbook.scoring.inference import feature_digests

    shown = batch.column("is_shown").to_pylist()
    recorded = batch.column("feature_digest").to_pylist()
    digests = feature_digests(frames.matrix(batch, features)) if features else recorded
    for number, digest in enumerate(digests):
        if digest != recorded[number] or not shown[number]:
            return batch.column("account_id")[number].as_py()
    return None


def _check_tables(query: Query, names: Mapping[str, Collection[str]]) -> None:
    """Check that relations with rows are tables. A view in their place could show different readers different rows."""
    for schema, tables in names.items():
        for row in query(
            "select lower(table_name) as name, table_type from information_schema.tables"
            f" where lower(table_schema) = ? and lower(table_name) in ({', '.join('?' * len(tables))})"
            " and table_type <> 'BASE TABLE' order by 1 limit 1",
            [schema, *tables],
        ):
            raise NightbookError(
                f"{schema}.{row['name']}: is a {row['table_type'].lower()}, but runs write a table: it was replaced"
            )


def _column_types(query: Query, names: Mapping[str, Collection[str]]) -> dict[str, dict[str, str]]:
    """Relation -> column -> type, both in lower case."""
    found: dict[str, dict[str, str]] = {}
    for schema, relations in names.items():
        for row in query(
            "select lower(table_name) as name, lower(column_name) as column_name, lower(data_type) as data_type"
            f" from information_schema.columns where lower(table_schema) = ?"
            f" and lower(table_name) in ({', '.join('?' * len(relations))})",
            [schema, *relations],
        ):
            found.setdefault(row["name"], {})[row["column_name"]] = row["data_type"]
    return found


# Views that show a table of the audit trail, and the tables that they show.
_SHOWN = {
    "audit.fct_runs": ["audit.run_log"],
    "audit.fct_audit_log": ["audit.audit_chain"],
    "fairness.fct_fairness": ["fairness.fairness_of_trainings", "fairness.fairness_of_nights"],
}


def _check_views(query: Query) -> None:
    """Check that a view shows the rows of the tables behind it. It could have been replaced."""
    for view, tables in _SHOWN.items():
        schema, _, name = view.partition(".")
        if not has(query, schema, name):
            continue
        columns = ", ".join(
            row["column_name"]
            for row in query(
                "select lower(column_name) as column_name from information_schema.columns"
                " where lower(table_schema) = ? and lower(table_name) = ? order by ordinal_position",
                [schema, name],
            )
        )
        shown = f"select {columns} from {view}"
        stands = " union all ".join(f"select {columns} from {table}" for table in tables)
        counts = [query(f"select count(*) as row_count from ({one}) as a") for one in (shown, stands)]
        more, fewer = (
            query(f"select count(*) as row_count from (select * from ({a}) as a except select * from ({b}) as b) as c")
            for a, b in ((shown, stands), (stands, shown))
        )
        if more[0]["row_count"] or fewer[0]["row_count"] or counts[0] != counts[1]:
            raise NightbookError(
                f"{view}: shows other rows than {' and '.join(tables)}: the view was replaced; the next run"
                " creates it again"
            )


def _check_registry(record: Record) -> tuple[int, tuple[str, ...]]:
    """Check every version and the champion in registry and artifacts against the record.

    Returns:
        The number of recorded versions, and notes. A note is about a version of the registry that is not recorded, or
        about a promotion that the version's own maker decided or typed.
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
            for number in model_versions.version_numbers(name)
            if number not in known
        ]
        notes += [
            f"{name} promotion {move.sequence}: {own} made version {move.model_version} and took part in this: it was"
            f" not recorded by `{move.action}`, or an earlier version of the project recorded it"
            for move in record.moves(name)
            if (own := own_hand(known.get(move.model_version, ""), move))
        ]
    return len(record.versions), tuple(notes)
