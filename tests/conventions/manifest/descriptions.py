"""Conventions on descriptions for which dbt-bouncer has no check. dbt-bouncer.yml says where each one applies.

Runs in the environment of the tools, which has dbt-bouncer but not this project's library.
"""

import re

from dbt_bouncer.check_framework.decorator import check, fail

# Tests that dbt brings and documents itself.
DBT_TESTS = {"not_null", "unique", "accepted_values", "relationships"}
# Words that add nothing to a name.
_FILLERS = {"a", "an", "the", "of", "this", "its", "is", "are", "name", "value", "column", "field"}


def tells_more(name: str, description: str) -> bool:
    """Whether a description has a word, other than fillers, that the name does not have."""
    words = set(re.findall(r"[a-z0-9]+", description.lower()))
    return bool(words - _FILLERS - set(name.lower().split("_")))


def _check_columns(node) -> None:
    for name, column in (node.columns or {}).items():
        if not tells_more(name, column.description or ""):
            fail(f"{node.unique_id}: column {name} has no description that tells more than its name")


@check
def check_model_columns_tell_more(model):
    """Columns of models are described by more than their names."""
    _check_columns(model)


@check
def check_seed_columns_tell_more(seed):
    """Columns of seeds are described by more than their names."""
    _check_columns(seed)


@check
def check_snapshot_columns_tell_more(snapshot):
    """Columns of snapshots are described by more than their names."""
    _check_columns(snapshot)


@check
def check_source_columns_tell_more(source):
    """Columns of sources are described by more than their names."""
    _check_columns(source)


@check
def check_model_has_group(model):
    """Every model has a group, and so an owner."""
    if not model.group:
        fail(f"{model.unique_id} has no group: set one in dbt_project.yml or in the model's YAML")


@check
def check_public_macro_is_described(macro):
    """A macro is described, unless it is private: by its underscore, or as one engine's side of another macro."""
    if not macro.description and not macro.name.startswith("_") and "__" not in macro.name:
        fail(f"{macro.unique_id} has no description")


@check
def check_exposure_has_maturity(exposure):
    """Every exposure says how much its readers rely on it."""
    if not exposure.maturity:
        fail(f"{exposure.unique_id} has no maturity: low, medium or high")


# What the meta of a column may say; anything else is a misspelt rule.
COLUMN_META = {"rules", "is_personal", "needed_by_pipeline"}


@check
def check_test_is_described(test, ctx):
    """A test says what a failing row means, itself or by the description of its generic test."""
    if test.description or (test.test_metadata and test.test_metadata.name in DBT_TESTS):
        return
    generic = f"macro.{test.package_name}.test_{test.test_metadata.name}" if test.test_metadata else None
    if not (generic and ctx.manifest_obj.manifest.macros[generic].description):
        fail(f"{test.unique_id}: neither it nor its generic test has a description")


@check
def check_unit_test_is_described(unit_test):
    """A unit test says what it shows."""
    if not unit_test.description:
        fail(f"{unit_test.unique_id} has no description")


def _check_rules(node, ctx) -> None:
    misspelt = {key for column in (node.columns or {}).values() for key in column.meta or {}} - COLUMN_META
    if misspelt:
        fail(f"{node.unique_id}: nothing reads {', '.join(sorted(misspelt))} in the meta of a column")
    has_rules = any((column.meta or {}).get("rules") for column in (node.columns or {}).values())
    if has_rules and not any(
        getattr(one, "attached_node", None) == node.unique_id and one.test_metadata.name == "keeps_rules"
        for one in ctx.manifest_obj.manifest.nodes.values()
    ):
        fail(f"{node.unique_id} has rules that nothing tests: add keeps_rules to its data_tests")


@check
def check_model_rules_are_tested(model, ctx):
    """A model whose columns have rules has the test that holds its rows against them."""
    _check_rules(model, ctx)


@check
def check_seed_rules_are_tested(seed, ctx):
    """A seed whose columns have rules has the test that holds its rows against them."""
    _check_rules(seed, ctx)
