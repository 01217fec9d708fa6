"""Conventions over the manifest, by dbt-bouncer: the checks of `make lint` fail on planted faults."""

import copy

import pytest

from tests.python.conventions import failures


@pytest.fixture(scope="module")
def manifest(project) -> dict:
    """The manifest that dbt writes of the project."""
    return project.manifest.writable_manifest().to_dict(omit_none=False)


def test_each_planted_fault_is_named(manifest, tmp_path):
    planted = copy.deepcopy(manifest)
    nodes, macros = planted["nodes"], planted["macros"]
    score = nodes["model.nightbook.fct_account_scores"]
    score["columns"]["pd"]["description"] = ""
    nodes["model.nightbook.fct_provisions"]["columns"]["lgd"]["description"] = "The LGD."
    nodes["model.nightbook.fct_runs"]["group"] = None
    nodes["model.nightbook.int_run"]["description"] = ""
    nodes["seed.nightbook.policy"]["columns"]["value"]["description"] = "value"
    nodes["seed.nightbook.gate_rules"]["description"] = ""
    macros["macro.nightbook.psi"]["description"] = ""
    macros["macro.nightbook.test_keeps_rules"]["description"] = ""
    planted["exposures"]["exposure.nightbook.provisions_dashboard"]["maturity"] = None
    planted["exposures"]["exposure.nightbook.regulatory_filing"]["owner"] = {"name": "Somebody", "email": None}
    planted["sources"]["source.nightbook.raw.accounts"]["columns"]["apr"]["description"] = "The apr."
    singular = next(name for name, node in nodes.items() if name.endswith(".servicing_has_an_account"))
    nodes[singular]["description"] = ""
    for relation in ("int_policy", "deadlines"):
        del nodes[next(name for name in nodes if name.startswith(f"test.nightbook.keeps_rules_{relation}_"))]
    misspelt = nodes["model.nightbook.fct_calibration"]["columns"]["as_of_date"]
    misspelt["meta"] = misspelt["config"]["meta"] = {"rule": ["not_null"]}
    found = failures(tmp_path, "manifest_checks", manifest=planted)
    within = {one for one in found if one.startswith("check_test_is_described keeps_rules_")}
    assert len(within) > 2, found
    assert sorted(set(found) - within) == [
        "check_exposure_has_maturity provisions_dashboard",
        "check_exposure_has_owner regulatory_filing",
        "check_model_column_description_populated fct_account_scores",
        "check_model_columns_tell_more fct_account_scores",
        "check_model_columns_tell_more fct_provisions",
        "check_model_description_populated int_run",
        "check_model_has_group fct_runs",
        "check_model_rules_are_tested fct_calibration",
        "check_model_rules_are_tested int_policy",
        "check_public_macro_is_described psi",
        "check_public_macro_is_described test_keeps_rules",
        "check_seed_columns_tell_more policy",
        "check_seed_description_populated gate_rules",
        "check_seed_rules_are_tested deadlines",
        "check_source_columns_tell_more raw_accounts",
        "check_test_is_described servicing_has_an_account",
    ]
