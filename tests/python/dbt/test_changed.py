"""What a build of the changed part selects, by dbt's own comparison with a manifest, library edits included."""

import copy
import json

import pytest
from nightbook import provenance
from nightbook.errors import NightbookError

from impact import changed


@pytest.fixture(scope="module")
def production(project) -> dict:
    """The manifest of a production that runs exactly this code."""
    manifest = project.manifest.writable_manifest().to_dict(omit_none=False)
    manifest["metadata"]["env"] = {"NIGHTBOOK_LIBRARY": provenance.library_digest()}
    return manifest


@pytest.fixture
def listed(project, production, tmp_path):
    """A function from an edit of production's manifest to the models that a build of the changed part selects."""

    def listed(edit) -> set[str]:
        other = copy.deepcopy(production)
        edit(other)
        (tmp_path / "manifest.json").write_text(json.dumps(other))
        now = tmp_path / "now"
        now.mkdir(exist_ok=True)
        (now / "manifest.json").write_text(json.dumps(production))
        chosen = ["--select", *changed.selectors(tmp_path, now), "--state", str(tmp_path), "--resource-type", "model"]
        found = project.invoke("ls", *chosen)
        assert found.success, found.exception
        return {name.rsplit(".", 1)[1] for name in found.result}

    return listed


def test_nothing_is_built_where_nothing_differs(listed):
    assert listed(lambda production: None) == set()


def test_an_edited_model_is_built_with_its_children_and_all_that_they_rest_on(listed):
    def edit(production):
        production["nodes"]["model.nightbook.underwriting_queue"]["raw_code"] = "select 1"

    found = listed(edit)
    assert {
        "underwriting_queue",
        "lineage_nightly",
        "fct_lineage_edges",
        "fct_application_scores",
        "int_request",
    } <= found
    assert "fct_training_need" not in found


def test_an_edited_library_has_every_python_model_built(listed, production):
    python = {node["name"] for node in production["nodes"].values() if node.get("language") == "python"}
    found = listed(lambda production: production["metadata"]["env"].update(NIGHTBOOK_LIBRARY="of other files"))
    assert python | {"fct_account_scores", "fct_provisions"} <= found
    assert listed(lambda production: production["metadata"]["env"].clear()) == found


def test_a_relation_with_other_rules_is_built_and_tested(listed):
    def edit(production):
        del production["nodes"]["model.nightbook.fct_provisions"]["columns"]["lgd"]["meta"]["rules"]

    found = listed(edit)
    assert {"fct_provisions", "int_request"} <= found and "fct_training_need" not in found


def test_a_folder_without_a_manifest_is_refused(tmp_path):
    with pytest.raises(NightbookError, match="manifest.json does not exist: name the folder of a build's manifest"):
        changed.selectors(tmp_path, tmp_path / "now")


def test_a_build_is_not_compared_with_itself(tmp_path):
    with pytest.raises(NightbookError, match="is this project's own target: name the folder of another build"):
        changed.selectors(tmp_path, tmp_path)
