"""Every column of a built home is described. Only the warehouse knows columns that YAML does not list."""

import json

from tests.python.conventions import failures

from .conftest import ok


def test_every_column_of_a_home_is_described_and_one_that_is_not_is_named(demo, settle):
    home = settle(demo[0].path)
    ok(home.dbt("docs", "generate", "--no-compile"))
    catalog = json.loads((home.path / "target" / "catalog.json").read_text())
    manifest = json.loads((demo[0].path / "target" / "manifest.json").read_text())
    assert len(catalog["nodes"]) > 100 and not catalog["errors"]
    assert failures(home.path, "catalog_checks", manifest=manifest, catalog=catalog) == []
    del manifest["nodes"]["model.nightbook.accounts_tonight"]["columns"]["dpd_current"]
    del manifest["nodes"]["seed.nightbook.policy"]["columns"]["value"]
    del manifest["sources"]["source.nightbook.raw.payments"]["columns"]["amount"]
    assert failures(home.path, "catalog_checks", manifest=manifest, catalog=catalog) == [
        "check_columns_are_all_documented accounts_tonight",
        "check_seed_columns_are_all_documented policy",
        "check_source_columns_are_all_documented raw_payments",
    ]
