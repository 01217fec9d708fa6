"""The dbt unit tests beside the models, all in one invocation, on empty relations that provide the columns."""

from nightbook.catalog import schema_yaml

# Relations for which unit tests give rows by column name. Inputs from or after Python models are given as SQL.
RELATIONS = [
    "path:seeds/reference",
    "path:models/staging",
    "path:models/inputs",
    "path:python_models/inputs",
    "path:models/intermediate",
    "path:models/features",
    "path:models/cohorts",
    "account_inputs",
    "accounts_tonight",
    "applications_tonight",
]
# These models each select from one relation unchanged, so the tests of their columns show any error. Whole runs check
# what int_request takes from the environment.
WITHOUT_UNIT_TEST = {"int_request", "fct_gate_decisions", "fct_runs", "fct_promotions", "fct_audit_log"}


def test_every_unit_test_passes(project):
    # Nothing has landed that could give a date.
    as_of = ["--vars", "as_of: 2024-06-30"]
    empty = {"NIGHTBOOK_OVERRIDE": "snapshot_is_there", "NIGHTBOOK_OVERRIDE_REASON": "only the columns are wanted"}
    built = project.invoke(
        "build", "--exclude-resource-type", "test", "unit_test", *as_of, "--select", *RELATIONS, **empty
    )
    assert built.success, built.exception or [one.message for one in built.result.results if one.status == "error"]
    tested = project.invoke("test", "--select", "test_type:unit")
    assert tested.exception is None, tested.exception
    results = [one for one in tested.result.results if one.node.resource_type == "unit_test"]
    assert len(results) == len(project.manifest.unit_tests) > 0
    assert not {one.node.name: one.message for one in results if one.status != "pass"}


def test_every_sql_model_has_a_unit_test(project):
    tested = {one.depends_on.nodes[0].rsplit(".", 1)[1] for one in project.manifest.unit_tests.values()}
    models = {
        node.name
        for node in project.manifest.nodes.values()
        if node.resource_type == "model" and node.language == "sql"
    }
    # One macro makes tonight's relation and its training counterpart, so a test of one covers both.
    for name, (tonight, _) in schema_yaml.TWINS.items():
        tested |= {name, tonight} if {name, tonight} & tested else set()
    assert models - tested == WITHOUT_UNIT_TEST
