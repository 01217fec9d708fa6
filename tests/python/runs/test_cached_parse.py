"""A changed partial parse of dbt gives another digest or is refused. It never runs under the digest of the files."""

import pytest
from dbt.contracts.graph.manifest import Manifest
from dbt.parser.manifest import extended_mashumaro_encoder, extended_mashumuro_decoder
from nightbook import provenance
from nightbook.errors import NightbookError

from tests.python.planted import ANY_PART

SERVICING = "test.nightbook.servicing_has_an_account"
CREATE = "macro.dbt_duckdb.duckdb__create_table_as"


@pytest.fixture
def poison(settle, monkeypatch):
    """A function that lets dbt parse for an empty home after a change to its partial parse, and returns the home."""
    home = settle()
    monkeypatch.setenv("NIGHTBOOK_HOME", str(home.path))
    cache = home.path / "target" / "partial_parse.msgpack"
    kept = cache.read_bytes()

    def parse(change=lambda manifest: None):
        manifest = Manifest.from_msgpack(kept, decoder=extended_mashumuro_decoder)
        change(manifest)
        cache.write_bytes(manifest.to_msgpack(extended_mashumaro_encoder))
        done = home.dbt("--quiet", "parse")
        assert done.returncode == 0, done.stdout
        return home

    return parse


def _without_a_test(manifest):
    del manifest.nodes[SERVICING]


def _warned_of_alone(manifest):
    manifest.nodes[SERVICING].config.severity = "WARN"


def _of_other_values(manifest):
    column = manifest.nodes["model.nightbook.fct_provisions"].columns["ifrs9_stage"]
    column.meta["rules"] = [{"accepted_values": [1, 2, 3, 4]}]


def _without_a_rule(manifest):
    manifest.nodes["model.nightbook.fct_account_scores"].columns["pd"].meta["rules"].pop()


def _of_another_key(manifest):
    one = next(name for name in manifest.nodes if name.startswith("test.nightbook.keeps_rules_fct_provisions"))
    manifest.nodes[one].test_metadata.kwargs["unique"].append("run_id")


def _never_selected(manifest):
    manifest.nodes[SERVICING].depends_on.nodes.append("model.nightbook.candidates")


def _other_sql(manifest):
    manifest.nodes["model.nightbook.int_night"].raw_code += " limit 0"


def _hooks_in_another_order(manifest):
    for one in manifest.nodes.values():
        if one.resource_type == "operation":
            one.index = 9 - one.index


def _in_another_schema(manifest):
    manifest.nodes["model.nightbook.int_request"].schema = "elsewhere"


@pytest.mark.parametrize(
    ("digest", "change"),
    [
        ("tests_digest", _without_a_test),
        ("tests_digest", _warned_of_alone),
        ("tests_digest", _of_other_values),
        ("tests_digest", _without_a_rule),
        ("tests_digest", _of_another_key),
        ("tests_digest", _never_selected),
        ("manifest_digest", _other_sql),
        ("manifest_digest", _hooks_in_another_order),
        ("manifest_digest", _in_another_schema),
    ],
)
def test_what_is_changed_in_the_cache_is_another_code(poison, digest, change):
    poison()
    clean = provenance.code_digests()
    poison(change)
    found = provenance.code_digests()
    assert found | {digest: clean[digest]} == clean and found[digest] != clean[digest]


def _otherwise(manifest):
    manifest.macros[CREATE].macro_sql += " "


def _gone(manifest):
    del manifest.macros[CREATE]


def _of_another_package(manifest):
    manifest.macros[CREATE].package_name = "dbt_snowflake"


@pytest.mark.parametrize("change", [_otherwise, _gone, _of_another_package])
def test_another_macro_of_the_adapter_is_not_run_on_record(poison, change):
    home = poison(change)
    refusal = "holds other macros than the installed dbt-duckdb: delete "
    with pytest.raises(NightbookError, match=refusal):
        provenance.code_digests()
    if change is _otherwise:
        done = home.dbt("run", "--select", "run_provenance", macros=ANY_PART)
        assert done.returncode == 1 and refusal in done.stdout
