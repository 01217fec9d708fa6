"""The record of versions and promotions as trainings and approvals leave it, made without a training or dbt."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime

import duckdb
from nightbook.registry import chain, model_versions
from nightbook.registry.record import RELATIONS, Promotion, Record

# One time for registering, judging and entering, because nothing here depends on it.
THEN = datetime(2026, 7, 1, 3)
_HELD = ("promotion", "model_version", "gate_decision")


def linked(entries: list[dict], last: dict | None = None) -> list[dict]:
    """Number entries and chain them, continuing from the last entry of a log."""
    found: list[dict] = []
    for entry in entries:
        before = found[-1] if found else last or {"sequence": 0, "entry_hash": ""}
        made = entry | {"sequence": before["sequence"] + 1, "previous_hash": before["entry_hash"]}
        found.append(made | {"entry_hash": chain.entry_hash(before["entry_hash"], made)})
    return found


def entry(kind: str, subject: str, row: dict, run_id: str) -> dict:
    payload = json.dumps(row, default=str)
    return {"kind": kind, "subject": subject, "payload": payload, "recorded_at": THEN, "run_id": run_id}


def version_row(name: str, version: int, run_id: str, maker: str | None = None) -> dict:
    """What a training would record of a version in the registry."""
    told = model_versions.stated(name, version)
    return {
        "model_name": name,
        "model_version": version,
        "mlflow_run_id": told["mlflow_run_id"],
        "model_digest": told["model_digest"],
        "algorithm": model_versions.load(name, version).metadata["algorithm"],
        "maker": maker or told["maker"],
        "run_id": run_id,
        "registered_at": THEN,
        "metadata_digest": told["metadata_digest"],
        "data_digest": told["data_digest"],
        "git_commit": "abc-dirty",
        "artifact_digest": told["artifact_digest"],
    }


def verdict_row(name: str, mlflow_run_id: str, run_id: str, verdict: str = "pass") -> dict:
    return {
        "model_name": name,
        "run_id": run_id,
        "rule": "candidate_fitted",
        "as_of_date": THEN.date(),
        "mlflow_run_id": mlflow_run_id,
        "metric": "fitted",
        "measure": "value",
        "candidate_value": 1.0,
        "champion_value": None,
        "measured": 1.0,
        "comparison": ">=",
        "threshold": 1.0,
        "severity": "block",
        "verdict": verdict,
        "reason": "It could be fitted: fitted value 1.0 >= 1.0",
        "decided_at": THEN,
    }


def _entries_of(version: dict, verdict: dict) -> list[dict]:
    name = version["model_name"]
    return [
        entry("gate_decision", f"{name} {verdict['run_id']} {verdict['rule']}", verdict, verdict["run_id"]),
        entry("model_version", f"{name} version {version['model_version']}", version, version["run_id"]),
    ]


@dataclass
class Book:
    """A record outside any warehouse, for the effect of approvals on a registry."""

    entries: list[dict] = field(default_factory=list)
    promotions: list[dict] = field(default_factory=list)
    versions: list[dict] = field(default_factory=list)
    verdicts: list[dict] = field(default_factory=list)

    def record(self) -> Record:
        return Record(list(self.entries), list(self.promotions), list(self.versions), list(self.verdicts))

    def write(self, promotion: Promotion) -> None:
        row = asdict(promotion)
        self.promotions.append(row)
        self._enter([entry("promotion", f"{promotion.model_name} promotion {promotion.sequence}", row, "approval")])

    def register(self, name: str, run: str, *, maker: str, run_id: str, verdict: str = "pass") -> int:
        """Register a candidate like a training, and record it. Returns the version's number."""
        number = model_versions.register(name, run, maker=maker, run_id=run_id)["model_version"]
        if not any((row["model_name"], row["model_version"]) == (name, number) for row in self.versions):
            self.versions.append(version_row(name, number, run_id, maker))
            self.verdicts.append(verdict_row(name, run, f"{run_id}-{number}", verdict))
            self._enter(_entries_of(self.versions[-1], self.verdicts[-1]))
        return number

    def _enter(self, entries: list[dict]) -> None:
        self.entries += linked(entries, self.entries[-1] if self.entries else None)


def _insert(connection: duckdb.DuckDBPyConnection, relation: str, rows: list[dict]) -> None:
    for row in rows:
        marks = ", ".join("?" * len(row))
        connection.execute(f"insert into {relation} ({', '.join(row)}) values ({marks})", list(row.values()))


def put_on_record(
    connection: duckdb.DuckDBPyConnection, name: str, version: int, run_id: str = "by-hand", verdict: str = "pass"
) -> None:
    """Record in a home's warehouse what a training whose gate passed a registered version would have recorded."""
    cursor = connection.execute("select * from audit.audit_chain order by sequence desc limit 1")
    last = dict(zip([column[0] for column in cursor.description], cursor.fetchone(), strict=True))
    of_version = version_row(name, version, run_id)
    of_verdict = verdict_row(name, of_version["mlflow_run_id"], run_id, verdict)
    _insert(connection, "audit.version_log", [of_version])
    _insert(connection, "training.fct_gate_decisions", [of_verdict])
    _insert(connection, "audit.audit_chain", linked(_entries_of(of_version, of_verdict), last))


def settle(connection: duckdb.DuckDBPyConnection, database: str) -> None:
    """Give a home with other data the record of an attached one, in an audit log without other entries."""
    for schema, table, _ in RELATIONS.values():
        connection.execute(f"create schema if not exists {schema}")
        connection.execute(f"create table {schema}.{table} as from {database}.{schema}.{table}")
    cursor = connection.execute(f"select * from audit.audit_chain where kind in {_HELD} order by sequence")
    names = [column[0] for column in cursor.description]
    entries = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    connection.execute("delete from audit.audit_chain")
    _insert(connection, "audit.audit_chain", linked(entries))
