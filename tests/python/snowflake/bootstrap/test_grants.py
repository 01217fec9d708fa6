"""The rights that bootstrap_snowflake gives keep every rule, and a right that breaks one is named."""

import re

import pytest

from tests.python.snowflake.bootstrap import rights as r
from tests.python.snowflake.bootstrap.conftest import ROOT

# The database is the profile's default.
_PERSONAL = ("raw.customers.full_name", "raw.customers.email", "raw.customers.birth_date", "raw.applications.narrative")
RULES = {
    "scoring_sees_nobody": lambda rights: r.scoring_sees_nobody(rights, _PERSONAL + ("staging.x.birth_date",)),
    "analyst_reads_what_is_published": r.analyst_reads_what_is_published,
    "pipeline_alone_writes_scores": r.pipeline_alone_writes_scores,
    "approver_changes_nothing": r.approver_changes_nothing,
    "approver_alone_puts_on_record": r.approver_alone_puts_on_record,
    "landed_rows_stay": r.landed_rows_stay,
    "personal_columns_are_masked": lambda rights: r.personal_columns_are_masked(rights, _PERSONAL, {_PERSONAL[2]}),
    "masks_ask_for_the_primary_role": r.masks_ask_for_the_primary_role,
    "a_session_has_one_role": r.a_session_has_one_role,
    "personal_data_is_given_to_nobody": r.personal_data_is_given_to_nobody,
    "nobody_is_master": r.nobody_is_master,
}


def test_personal_columns_are_those_of_the_contract(printed):
    assert printed.personal() == set(_PERSONAL)
    assert printed.personal(needed_by_pipeline=True) == {"raw.customers.birth_date"}


@pytest.mark.parametrize("rule", RULES)
def test_the_rights_keep_the_rule(printed, rule):
    assert RULES[rule](r.read(printed.sql)) == []


# The former policy: any role of the session was enough.
_OPEN_MASK = (
    "create masking policy if not exists DB.CODE.PERSONAL_VARCHAR as (value varchar) returns varchar -> case when"
    " is_role_in_session('DB_PERSONAL_DATA') then value end"
)
_BOTH = "\n".join(f"grant role DB_{role} to user ADA" for role in ("ANALYST", "PIPELINE", "PERSONAL_DATA"))
# Rule -> statements that break it, and what must be named. DB stands for the database.
FAULTS = {
    "scoring_sees_nobody": [
        ("grant select on table DB.RAW.CUSTOMERS to role DB_SCORING", "RAW.CUSTOMERS"),
        ("grant select on future tables in schema DB.RAW to role DB_SCORING", "RAW"),
        ("grant select on all views in schema DB.STAGING to role DB_SCORING", "STAGING"),
        ("grant select on future tables in database DB to role DB_SCORING", "SELECT"),
        ("grant usage on schema DB.RAW to role DB_SCORING", "USAGE"),
        ("grant read on stage DB.RAW.LANDING to role DB_SCORING", "RAW.LANDING"),
        ("grant role DB_PERSONAL_DATA to role DB_SCORING", "PERSONAL_DATA"),
        ("grant role DB_PIPELINE to role DB_SCORING", "SCORING > DB_PIPELINE"),
        ("grant role SYSADMIN to role DB_SCORING", "SYSADMIN"),
    ],
    "analyst_reads_what_is_published": [
        ("grant select on future tables in schema DB.RAW to role DB_ANALYST", "RAW"),
        ("grant select on table DB.AUDIT.VERSION_LOG to role DB_ANALYST", "VERSION_LOG"),
        ("grant usage on integration DB_MLFLOW to role DB_ANALYST", "MLFLOW"),
        ("grant read on secret DB.CODE.MLFLOW_TOKEN to role DB_ANALYST", "TOKEN"),
        ("grant role DB_MODEL_RISK to role DB_ANALYST", "MODEL_RISK"),
    ],
    "pipeline_alone_writes_scores": [
        ("grant insert on table DB.MARTS.FCT_ACCOUNT_SCORES to role DB_ANALYST", "INSERT"),
        ("grant update on future tables in schema DB.MARTS to role DB_MODEL_RISK", "UPDATE"),
        ("grant create table on schema DB.SCORING to role DB_SCORING", "CREATE TABLE"),
        ("grant delete on all tables in database DB to role DB_SCORING", "DELETE"),
        ("grant role DB_PIPELINE to role DB_APPROVER", "APPROVER > DB_PIPELINE"),
        ("grant ownership on schema DB.MARTS to role DB_MODEL_RISK", "OWNERSHIP"),
        ("grant all privileges on schema DB.MARTS to role DB_ANALYST", "ALL PRIVILEGES"),
    ],
    "approver_changes_nothing": [
        ("grant insert on table DB.AUDIT.VERSION_LOG to role DB_APPROVER", "VERSION_LOG"),
        ("grant delete on table DB.AUDIT.PROMOTION_LOG to role DB_APPROVER", "PROMOTION_LOG"),
        ("grant select on future tables in schema DB.MARTS to role DB_APPROVER", "MARTS"),
    ],
    "approver_alone_puts_on_record": [
        ("grant insert on table DB.AUDIT.PROMOTION_LOG to role DB_PIPELINE", "PROMOTION_LOG"),
        ("grant update on table DB.AUDIT.AUDIT_CHAIN to role DB_PIPELINE", "AUDIT_CHAIN"),
        ("grant delete on future tables in schema DB.AUDIT to role DB_MODEL_RISK", "AUDIT"),
        ("grant truncate on all tables in database DB to role DB_PIPELINE", "TRUNCATE"),
        ("grant role DB_APPROVER to role DB_PIPELINE", "DB_PIPELINE > DB_APPROVER"),
    ],
    "landed_rows_stay": [
        ("grant delete on future tables in schema DB.RAW to role DB_PIPELINE", "DELETE"),
        ("grant create table on schema DB.RAW to role DB_PIPELINE", "CREATE TABLE"),
    ],
    "masks_ask_for_the_primary_role": [
        (f"{_OPEN_MASK}", "a session that has DB_PERSONAL_DATA"),
    ],
    "a_session_has_one_role": [
        (f"create user ADA type = person\n{_BOTH}", "CREATE TABLE on SCHEMA DB.MARTS"),
        (f"create user ADA default_secondary_roles = ('ALL')\n{_BOTH}", "ADA as DB_ANALYST + DB_PIPELINE > DB_SCORING"),
        (f"alter user ADA set default_secondary_roles = ('ALL')\n{_BOTH}", "INSERT on TABLE DB.RAW"),
        (f"{_OPEN_MASK}\ncreate user ADA type = person\n{_BOTH}", "sees through DB.CODE.PERSONAL_VARCHAR"),
        ("create user ADA type = person", "as soon as it has a second role"),
    ],
    "personal_data_is_given_to_nobody": [
        ("grant role DB_PERSONAL_DATA to role SYSADMIN", "SYSADMIN"),
    ],
    "nobody_is_master": [
        ("grant role ACCOUNTADMIN to role DB_PIPELINE", "ACCOUNTADMIN"),
        ("grant manage grants on account to role DB_PIPELINE", "MANAGE GRANTS"),
    ],
}
_CASES = [(rule, *case) for rule, cases in FAULTS.items() for case in cases]


@pytest.mark.parametrize(("rule", "statement", "named"), _CASES, ids=[f"{one[0]}-{one[1]}" for one in _CASES])
def test_a_right_too_many_is_named(printed, rule, statement, named):
    found = RULES[rule](r.read(f"{printed.sql}\n{statement.replace('DB', 'NIGHTBOOK')};"))
    assert any(named.replace("DB", "NIGHTBOOK") in sentence for sentence in found), found


def documented() -> str:
    """The statements about users in docs/snowflake.md, one per line."""
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / "docs" / "snowflake.md").read_text(), re.DOTALL)
    lines = [re.sub(r" *--.*", "", line).strip() for block in blocks for line in block.splitlines()]
    return "\n".join(line for line in lines if re.match(r"(create|alter) user |grant role \w+ to user ", line))


def test_users_that_are_documented_have_one_role_at_a_time(printed):
    rights = r.read(f"{printed.sql}\n{documented()}")
    assert set(rights.users) == {"NIGHTBOOK_SERVICE", "GRACE", "ADA"} and all(rights.users.values())
    assert r.a_session_has_one_role(rights) == []
    forgotten = re.sub(r" default_secondary_roles = \(\)", "", documented())
    assert len(r.a_session_has_one_role(r.read(f"{printed.sql}\n{forgotten}"))) == 3


def test_several_roles_one_at_a_time_are_no_fault(printed):
    users = f"create user ADA default_secondary_roles = ()\n{_BOTH}".replace("DB", "NIGHTBOOK")
    assert r.a_session_has_one_role(r.read(f"{printed.sql}\n{users}")) == []


def test_every_rule_is_seen_broken():
    # Masks have their own faults below.
    assert set(FAULTS) | {"personal_columns_are_masked"} == set(RULES)


def test_a_way_through_a_role_that_nobody_thought_of_is_named(printed):
    more = (
        "create role if not exists NIGHTBOOK_HELPER comment = 'x';\n"
        "grant role NIGHTBOOK_HELPER to role NIGHTBOOK_SCORING;\n"
        "grant select on future views in schema NIGHTBOOK.RAW to role NIGHTBOOK_HELPER;"
    )
    found = r.scoring_sees_nobody(r.read(f"{printed.sql}\n{more}"), _PERSONAL)
    assert found and all("NIGHTBOOK_SCORING > NIGHTBOOK_HELPER" in sentence for sentence in found)


@pytest.mark.parametrize("column", _PERSONAL)
def test_a_column_without_its_mask_is_named(printed, column):
    table, name = column.rsplit(".", 1)
    bare = re.sub(rf"(?im)^alter table NIGHTBOOK\.{re.escape(table)} modify column {name} .*$", "", printed.sql)
    assert RULES["personal_columns_are_masked"](r.read(bare)) == [f"{column}: has no mask"]


def test_a_mask_that_too_many_see_through_is_named(printed):
    for seen in ("current_role() in ('NIGHTBOOK_SCORING', ", "is_role_in_session('NIGHTBOOK_SCORING') or (value in ("):
        open_mask = printed.sql.replace("current_role() in (", seen)
        assert len(RULES["personal_columns_are_masked"](r.read(open_mask))) == len(_PERSONAL)


def test_a_statement_that_is_not_understood_is_no_pass(printed):
    with pytest.raises(ValueError, match="what does this give to whom"):
        r.read(f"{printed.sql}\nalter share x add accounts = y;")


def readable(rights: r.Rights) -> set[str]:
    """Schemas from which a role may select, other than the pipeline and the role behind the masks."""
    others = rights.roles - {rights.named("PIPELINE"), rights.named("PERSONAL_DATA")}
    return {
        right.name.split(".")[1].lower()
        for right in rights.rights
        if right.role in others and right.privilege == "SELECT"
    }


def carriers(manifest: dict, schemas: set[str], personal: set[str]) -> list[str]:
    """Nodes of schemas that mention a personal column in their SQL, or have a column of that name."""
    names = {column.rsplit(".", 1)[1] for column in personal}
    return sorted(
        f"{node['name']}: {name}"
        for node in manifest["nodes"].values()
        if node["schema"] in schemas and node["resource_type"] in ("model", "seed", "snapshot")
        for name in names
        if name in node["columns"] or re.search(rf"\b{name}\b", node["raw_code"])
    )


def test_no_personal_column_leaves_for_a_schema_that_others_read(printed):
    schemas = readable(r.read(printed.sql))
    assert {"features", "scoring", "marts", "monitoring", "audit", "training", "fairness", "reference"} == schemas
    assert carriers(printed.manifest, schemas, printed.personal()) == []
    # The same check finds the column in a schema where it is allowed.
    assert carriers(printed.manifest, {"staging"}, printed.personal()) == ["stg_customer_versions: birth_date"]


def test_the_pipeline_can_make_every_node(printed):
    rights = r.read(printed.sql)
    pipeline = rights.named("PIPELINE")
    has = {(right.privilege, right.kind, right.name) for right, _ in rights.of(pipeline)}
    for node in printed.manifest["nodes"].values():
        if node["resource_type"] in ("model", "seed", "snapshot") and node["schema"] != "raw":
            for kind in ("TABLE", "VIEW"):
                assert (f"CREATE {kind}", "SCHEMA", rights.schema(node["schema"])) in has, node["name"]
        if warehouse := node["config"].get("snowflake_warehouse"):
            assert ("USAGE", "WAREHOUSE", warehouse) in has, node["name"]


def test_scores_are_made_on_the_scoring_warehouse_and_fits_on_the_training_one(printed):
    placed = {}
    for node in printed.manifest["nodes"].values():
        if warehouse := node["config"].get("snowflake_warehouse"):
            placed.setdefault(warehouse, set()).add(node["name"])
    assert placed == {
        "NIGHTBOOK_SCORING": {
            "tonight_account_scores",
            "tonight_application_scores",
            "tonight_application_contributions",
            "tonight_shadow_scores",
        },
        "NIGHTBOOK_TRAINING": {"candidates", "holdout_scores", "gate_measurements"},
    }
