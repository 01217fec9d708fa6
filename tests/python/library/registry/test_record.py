"""Record, registry and bytes must agree before a version may score. Each way around that is refused."""

import json
from pathlib import Path

import mlflow
import pytest
from library_store import APPROVER, MAKER, book, log, register
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.registry import artifacts, model_versions, record
from nightbook.scoring import scorer
from runner import promotions

from tests.python import recorded
from tests.python.copies import copy_store

NAMES = {"approver": APPROVER, "change_request": "CR-1"}


def client() -> mlflow.MlflowClient:
    return mlflow.MlflowClient(home.registry_uri())


def refusal(call, *arguments, **options) -> str:
    with pytest.raises(NightbookError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def kept(store, empty_home, monkeypatch) -> recorded.Book:
    """Versions 1 (champion) and 2 of account_pd in this test's own registry, with files that it may change."""
    copy_store(store.home, empty_home)
    made = book()
    for run in store.runs[:2]:
        made.register("record_pd", run, maker=MAKER, run_id="run-0")
    promotions.approve("record_pd", 1, **NAMES)
    return made


def night(versions: str = "") -> list[dict]:
    """The check before a night, and the check again before it scores."""
    kept = book().record()
    populations = {"record_pd": None}
    record.check(kept, populations, scorer.pinned_versions(versions))
    return scorer.champions(kept, populations, versions)


def test_a_champion_on_record_scores(kept, store):
    assert [row["model_digest"] for row in night()] == [store.candidates[0].digest]


def test_a_version_without_a_verdict_cannot_be_approved(kept, store):
    """Registered in MLflow by hand, with every tag that a training would write."""
    client().create_model_version(
        "record_pd",
        f"models:/{client().get_run(store.runs[2]).outputs.model_outputs[0].model_id}",
        run_id=store.runs[2],
        tags=client().get_model_version("record_pd", "1").tags
        | {
            key: client().get_run(store.runs[2]).data.tags[key]
            for key in ("model_digest", "metadata_digest", "artifact_digest")
        },
    )
    assert model_versions.load("record_pd", 3).digest == store.candidates[2].digest
    message = refusal(promotions.approve, "record_pd", 3, **NAMES)
    assert message.startswith("record_pd version 3 is not recorded: no training of this warehouse registered it")
    client().set_registered_model_alias("record_pd", "champion", "3")
    assert "names version 3, which no recorded approval put there" in refusal(night)
    assert "version 3 is not recorded" in refusal(night, "record_pd=3")
    assert model_versions.champion_version("record_pd") == 3 and len(kept.promotions) == 1


@pytest.mark.parametrize("verdict", ["fail", None])
def test_a_version_that_the_gate_did_not_let_in_cannot_be_approved(kept, store, verdict):
    assert register("record_pd", store.runs[2], verdict=verdict or "pass") == 3
    if verdict is None:
        # Verdict rows without an entry in the audit log do not count.
        kept.entries[:] = recorded.linked(
            [one for one in kept.entries if one["subject"] != "record_pd run-0-3 candidate_fitted"]
        )
        assert kept.verdicts[-1]["verdict"] == "pass"
    message = refusal(promotions.approve, "record_pd", 3, **NAMES)
    assert message.startswith("record_pd version 3 did not pass the gate: it")
    assert ("failed candidate_fitted" if verdict else "has no verdict in the audit log") in message


def test_what_a_later_training_says_of_the_same_candidate_takes_nothing_back(kept, store):
    """A later gate fails it, beside a better champion or by stricter rules. The earlier verdict still counts."""
    later = recorded.verdict_row("record_pd", store.runs[0], "run-9", "fail")
    kept.verdicts.append(later)
    kept._enter([recorded.entry("gate_decision", "record_pd run-9 candidate_fitted", later, "run-9")])
    assert night()[0]["model_version"] == 1


def test_a_warning_is_for_the_approver_to_weigh(kept, store):
    assert register("record_pd", store.runs[2], verdict="warn") == 3
    assert promotions.approve("record_pd", 3, **NAMES).model_version == 3


def test_a_version_whose_training_did_not_end_waits(kept, store):
    assert register("record_pd", store.runs[2]) == 3
    kept.entries[:] = recorded.linked([one for one in kept.entries if one["subject"] != "record_pd version 3"])
    message = refusal(promotions.approve, "record_pd", 3, **NAMES)
    assert message == ("record_pd version 3 has no entry in the audit log: its training did not finish; train again")


def test_a_maker_who_rewrites_his_tag_does_not_approve(kept):
    """The training's record says who made it. The tag may say anything, and may be restored afterwards."""
    names = NAMES | {"approver": MAKER}
    client().set_model_version_tag("record_pd", "2", "maker", "somebody else")
    assert "was made by Ann Maker, who cannot approve it" in refusal(promotions.approve, "record_pd", 2, **names)
    # Nobody else can approve it either while registry and record disagree.
    message = refusal(promotions.approve, "record_pd", 2, **NAMES)
    assert message == (
        "record_pd version 2: its maker is somebody else in the registry, but Ann Maker in the record: one of the "
        "two was changed; restore the registry, or train again"
    )
    client().set_model_version_tag("record_pd", "2", "maker", MAKER)
    assert promotions.approve("record_pd", 2, **NAMES).model_version == 2


@pytest.mark.parametrize("tag", ["maker", "model_digest", "metadata_digest", "data_digest", "artifact_digest"])
def test_a_tag_that_is_not_as_recorded_stops_the_night(kept, tag):
    before = client().get_model_version("record_pd", "1").tags[tag]
    client().set_model_version_tag("record_pd", "1", tag, before[::-1])
    message = refusal(night)
    assert "record_pd version 1" in message and "in the registry, but" in message and tag.replace("_", " ") in message
    client().delete_model_version_tag("record_pd", "1", tag)
    assert "is None in the registry, but" in refusal(night)


def test_bytes_and_both_digest_tags_swapped_stop_the_night(kept, store):
    """Every tag of version 1 in the registry says what version 2 is, and its files are those of version 2."""
    folders = [Path(client().get_run(run).info.artifact_uri.removeprefix("file://")) for run in store.runs[:2]]
    models = [
        Path(client().get_logged_model(client().get_run(run).outputs.model_outputs[0].model_id).artifact_location
             .removeprefix("file://"))
        for run in store.runs[:2]
    ]  # fmt: skip
    files = [
        (models[0] / "model.ubj", models[1] / "model.ubj"),
        (folders[0] / "nightbook.json", folders[1] / "nightbook.json"),
    ]
    before = [one.read_bytes() for one, _ in files]
    try:
        for one, other in files:
            one.write_bytes(other.read_bytes())
        for tag in ("model_digest", "metadata_digest"):
            told = client().get_model_version("record_pd", "2").tags[tag]
            client().set_model_version_tag("record_pd", "1", tag, told)
        client().set_model_version_tag("record_pd", "1", "artifact_digest", artifacts.digest(models[0]))
        assert model_versions.load("record_pd", 1).digest == store.candidates[1].digest
        message = refusal(night)
        assert "record_pd version 1: its model digest is" in message
    finally:
        for (one, _), content in zip(files, before, strict=True):
            one.write_bytes(content)


def test_a_version_from_before_artifacts_were_covered_scores_and_is_not_approved(kept, store):
    """Its trees and metadata have digests, and nothing else of it is opened. It can no longer be approved."""
    client().delete_tag(store.runs[2], "artifact_digest")
    assert register("record_pd", store.runs[2]) == 3 and kept.versions[-1]["artifact_digest"] is None
    message = refusal(promotions.approve, "record_pd", 3, **NAMES)
    assert message.startswith("record_pd version 3 was registered without a digest of its whole artifact")
    assert message.endswith("train again, and approve the version that this registers")
    # It was approved before the upgrade.
    kept.write(record.Promotion("record_pd", 2, "approve", 3, 1, APPROVER, "CR-1", APPROVER, recorded.THEN))
    client().set_registered_model_alias("record_pd", "champion", "3")
    assert night()[0]["model_version"] == 3
    # A new training from the same data is logged again, with a digest.
    again = log(store.candidates[2])
    assert again != store.runs[2] and "artifact_digest" in client().get_run(again).data.tags


def test_only_what_was_champion_is_pinned(kept):
    assert night("record_pd=1")[0]["model_version"] == 1
    message = refusal(night, "record_pd=2")
    assert message.startswith("record_pd version 2 was never champion: no approval of it is recorded")
    promotions.approve("record_pd", 2, approver=APPROVER, change_request="CR-2")
    promotions.rollback("record_pd", approver=APPROVER, change_request="CR-3")
    assert night("record_pd=2")[0]["model_version"] == 2
    assert "has no version 9" in refusal(night, "record_pd=9")


def test_a_promotion_forged_in_the_registry_is_not_believed(kept):
    """The way an earlier version of this library stored promotions: tags beside the alias."""
    told = {"model_name": "record_pd", "sequence": 2, "action": "approve", "model_version": 2, "previous_version": 1,
            "approver": "eve", "change_request": "CR-9", "actor": "eve",
            "promoted_at": "2026-07-02T00:00:00"}  # fmt: skip
    client().set_registered_model_tag("record_pd", "promotion.000002", json.dumps(told))
    client().set_registered_model_tag("record_pd", "carried_out.000002", "2026-07-02T00:00:00")
    client().set_registered_model_alias("record_pd", "champion", "2")
    message = refusal(night)
    assert "the alias champion names version 2, which no recorded approval put there; version 1 is recorded" in message
    assert [move.model_version for move in book().record().moves("record_pd")] == [1]


FORGED = {"model_name": "record_pd", "sequence": 2, "action": "approve", "model_version": 2, "previous_version": 1,
          "approver": "eve", "change_request": "CR-9", "actor": "eve", "promoted_at": recorded.THEN}  # fmt: skip


def _without(kind: str):
    def fault(kept):
        kept.entries[:] = [one for one in kept.entries if one["kind"] != kind]

    return fault


def _renumbered(kind: str):
    def fault(kept):
        kept.entries[:] = recorded.linked([one for one in kept.entries if one["kind"] != kind])

    return fault


def _changed(kind: str, before: str, after: str):
    def fault(kept):
        for one in kept.entries:
            if one["kind"] == kind:
                one["payload"] = one["payload"].replace(before, after)

    return fault


def _row(part: str, **values):
    def fault(kept):
        getattr(kept, part)[0] |= values

    return fault


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (_without("promotion"), "audit log, entry|has no entry in the audit log"),
        (_renumbered("promotion"), "promotion record_pd promotion 1: its row has no entry in the audit log"),
        (_renumbered("model_version"), "record_pd version . has no entry in the audit log"),
        (_renumbered("gate_decision"), "record_pd version . did not pass the gate"),
        (_changed("promotion", "bob", "eve"), "was changed after it was written"),
        (_changed("gate_decision", "pass", "fail"), "was changed after it was written"),
        (_row("promotions", approver="eve"), 'approver is "eve", was "bob"'),
        (_row("promotions", model_version=2), "model_version is 2, was 1"),
        (_row("versions", maker="eve"), 'maker is "eve", was "Ann Maker"'),
        (_row("versions", model_digest="D"), 'model_digest is "D"'),
        (_row("verdicts", verdict="warn"), 'verdict is "warn", was "pass"'),
        (_row("verdicts", measured=0.5), "measured is 0.5, was 1.0"),
        (lambda kept: kept.promotions.clear(), "promotion 1: is entry"),
        (lambda kept: kept.versions.clear(), "version 1: is entry"),
        (lambda kept: kept.verdicts.clear(), "but its row is missing"),
        (lambda kept: kept.promotions.append(FORGED), "promotion 2: its row has no entry in the audit log"),
        (lambda kept: kept.promotions.append(kept.promotions[0]), "has more than one row"),
        (lambda kept: kept.entries.clear(), "has no entry in the audit log"),
    ],
)
def test_a_record_that_is_not_as_entered_stops_the_night_and_every_promotion(kept, fault, said):
    fault(kept)
    for call in (night, lambda: promotions.approve("record_pd", 2, approver="carol", change_request="CR-7")):
        with pytest.raises(NightbookError, match=said):
            call()
    assert model_versions.champion_version("record_pd") == 1


def test_what_was_written_is_looked_at_before_the_alias_moves(kept, monkeypatch):
    """Two approvals at the same moment on Snowflake: one of them finds the other's promotion in place of its own."""
    write = book().write
    monkeypatch.setattr(promotions, "write", lambda promotion: write(record.Promotion(**FORGED)))
    message = refusal(promotions.approve, "record_pd", 2, **NAMES)
    assert "another promotion was recorded at the same time" in message
    assert model_versions.champion_version("record_pd") == 1
