"""The audit log covers everything public. The list is read from the manifest, so that nothing can be forgotten."""

import copy
import hashlib
import json

import pytest

# Relations without partition digests, and why.
ROW_BY_ROW = {"fct_gate_decisions", "fct_model_versions", "fct_promotions", "fct_runs"}
THE_LOG_ITSELF = {"fct_audit_log"}
COMPUTED_WHEN_ASKED = {"fct_deadlines", "fct_score_partitions", "fct_test_rules"}
# Views of tables that have digests.
OF_TABLES = {
    "fct_fairness": ["fairness_of_nights", "fairness_of_trainings"],
    "fct_lineage_edges": ["lineage_nightly", "lineage_weekly"],
}


@pytest.fixture(scope="module")
def manifest(project) -> dict:
    return project.manifest.writable_manifest().to_dict(omit_none=False)


def uncovered(manifest: dict, entered: set[str], otherwise: dict[str, list[str]]) -> set[str]:
    """Public or contracted relations that the audit log does not enter and that no list above explains."""
    found = set()
    for node in manifest["nodes"].values():
        config = node["config"]
        if node["resource_type"] not in ("model", "snapshot") or not (
            node.get("access") == "public" or config.get("contract", {}).get("enforced")
        ):
            continue
        columns = node["columns"].keys()
        if node["name"] in otherwise:
            covered = set(otherwise[node["name"]]) <= entered
        else:
            covered = {"as_of_date", "run_id"} <= columns and (
                config["materialized"] != "view" or node["name"] == "rpt_regulatory_features"
            )
        if not covered:
            found.add(node["name"])
    return found


def test_every_public_relation_is_covered(project, manifest):
    listed = "{% for one in published_relations() %}{{ one.name }} {{ one.kept }}\n{% endfor %}"
    entered = dict(line.split() for line in project.compile(listed).splitlines() if line)
    otherwise = json.loads(project.compile("{{ tojson(audited_otherwise()) }}"))
    assert otherwise == dict.fromkeys(ROW_BY_ROW | THE_LOG_ITSELF | COMPUTED_WHEN_ASKED, []) | OF_TABLES
    assert uncovered(manifest, set(entered), otherwise) == set()
    public = {node["name"] for node in manifest["nodes"].values() if node.get("access") == "public"}
    assert public - otherwise.keys() <= entered.keys() and len(entered) > 15
    assert {name: kept for name, kept in entered.items() if kept != "date"} == {
        "fairness_of_trainings": "run", "fct_fairness_alternatives": "run", "fct_input_checks": "run",
        "fct_training_decisions": "run", "lineage_nightly": "run", "lineage_weekly": "run",
        "fct_training_need": "last", "underwriting_queue": "last",
    }  # fmt: skip


def test_a_public_relation_that_is_not_covered_is_found(project, manifest):
    otherwise = json.loads(project.compile("{{ tojson(audited_otherwise()) }}"))
    planted = copy.deepcopy(manifest)
    model = copy.deepcopy(planted["nodes"]["model.nightbook.fct_provisions"])
    del model["columns"]["run_id"]
    planted["nodes"]["model.nightbook.fct_of_nobody"] = model | {"name": "fct_of_nobody"}
    view = copy.deepcopy(planted["nodes"]["model.nightbook.fct_provisions"])
    view["config"]["materialized"] = "view"
    planted["nodes"]["model.nightbook.rpt_shown"] = view | {"name": "rpt_shown"}
    tables = {name for names in OF_TABLES.values() for name in names}
    assert uncovered(planted, tables, otherwise) == {"fct_of_nobody", "rpt_shown"}
    assert uncovered(manifest, tables - {"lineage_weekly"}, otherwise) == {"fct_lineage_edges"}


COLUMNS = {
    "account_id": "varchar",
    "pd": "double",
    "ead": "decimal(18,2)",
    "is_open": "boolean",
    "seen_at": "timestamp",
}
ROWS = """(select * from (values
    ('A2', 0.5::double, 1.50::decimal(18, 2), true, '2024-06-30 01:02:03'::timestamp, '2024-06-30'::date, 'R1', 7),
    ('A1', null, null, null, null, '2024-06-30'::date, 'R1', null)
) as v(account_id, pd, ead, is_open, seen_at, as_of_date, run_id, later))"""


def digests(project, rows: str) -> list[tuple]:
    sql = f"""{{{{ partition_digests(
        {{'name': 'fct_x', 'date_column': 'as_of_date', 'run_column': 'run_id'}}, "{rows}",
        {list(COLUMNS)}, {COLUMNS | {"later": "integer"}}
    ) }}}}"""
    return project.query(sql.replace("\n", " "))


def test_a_partition_is_hashed_row_by_row_and_block_by_block(project):
    """hashlib computes the expected values. A text has its length, a double is its bits, null is empty."""
    lines = ["2:A2|4602678819172646912|1.50|true|2024-06-30 01:02:03", "2:A1||||"]
    rows = sorted(hashlib.sha256(line.encode()).hexdigest()[:32] for line in lines)
    assert rows[0][:2] != rows[1][:2]
    blocks = sorted(hashlib.sha256(row.encode()).hexdigest() for row in rows)
    expected = hashlib.sha256("\n".join(blocks).encode()).hexdigest()
    [(name, _, run_id, row_count, digest, columns, others)] = digests(project, ROWS)
    assert (name, run_id, row_count, digest, others) == ("fct_x", "R1", 2, expected, 1)
    assert columns == "account_id pd ead is_open seen_at"


@pytest.mark.parametrize(
    "change",
    ["'A2'|'A2|'", "0.5::double|0.5000000000000001::double", "1.50|1.51", "true|null", "01:02:03|01:02:03.000001",
     "('A1', null|('', null"],
)  # fmt: skip
def test_another_value_is_another_digest(project, change):
    before, _, after = change.partition("|")
    assert digests(project, ROWS)[0][4] != digests(project, ROWS.replace(before, after))[0][4]
