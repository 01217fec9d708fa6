"""The three kinds of change that a score impact report must distinguish, and the limits that block."""

from pathlib import Path

import pyarrow as pa
import pytest
import scored_night
from nightbook.errors import NightbookError

from impact import comparison, limits, report, sides

LIMITS = {"features_changed": 0, "features_removed": 0, "cases_changed": 0, "score_psi": 0.01, "grade_changes": 0.005,
          "triage_changes": 0.01, "provisions": 0.005, "auc_fall": 0.005, "run_time": 2.0}  # fmt: skip


@pytest.fixture
def night() -> dict[str, pa.Table]:
    return scored_night.made()


def told(base, change, accepted=None) -> tuple[comparison.Impact, list[str], str]:
    """What differs, the names of the limits that block, and the report."""
    impact = comparison.compare(base, change)
    held = limits.hold("book", impact.figures(), LIMITS, accepted or {})
    return (
        impact,
        [one.name for one in held if one.blocks],
        report.markdown({"book": impact}, held, "By the same champions."),
    )


def replaced(table: pa.Table, **columns) -> pa.Table:
    for name, values in columns.items():
        position = table.column_names.index(name)
        table = table.set_column(position, name, values)
    return table


def renamed(night: dict) -> dict:
    return night | {
        "catalog": replaced(
            night["catalog"], name=pa.array(["days_late_12m_max", "balance_current", "requested_amount"])
        ),
        "account_pd": night["account_pd"].rename_columns({"dpd_12m_max": "days_late_12m_max"}),
    }


def of_a_wrong_window(night: dict) -> dict:
    """A measure over three months under the name of twelve, and the scores that the same model then gives."""
    shorter = night["account_pd"]["dpd_3m_max"]
    scores, provisions = scored_night.scored(shorter.to_numpy())
    return night | {
        "account_pd": replaced(night["account_pd"], dpd_12m_max=shorter),
        "account_pd_scores": scores,
        "provisions": provisions,
    }


def with_a_feature_more(night: dict) -> dict:
    more = pa.table(
        {
            "model_name": ["account_pd"],
            "name": ["dpd_3m_max"],
            "in_model": [True],
            "monotone_direction": [1],
            "reason_text": ["Payments late"],
        }
    )
    return night | {"catalog": pa.concat_tables([night["catalog"], more])}


def test_a_renamed_column_is_no_impact(night):
    impact, blocking, text = told(night, renamed(night))
    assert impact.is_none and not blocking
    assert [(one.change, one.was, one.name) for one in impact.features] == [
        ("renamed", "dpd_12m_max", "days_late_12m_max")
    ]
    assert "**No impact on any score.**" in text and "### Scores" not in text


def test_a_wrong_window_shows_features_and_grades_and_blocks(night):
    change = of_a_wrong_window(night)
    impact, blocking, text = told(night, change)
    [feature] = impact.features
    assert (feature.name, feature.change, feature.cases) == ("dpd_12m_max", "changed", 500)
    shorter, longer = (night["account_pd"][name].to_pylist() for name in ("dpd_3m_max", "dpd_12m_max"))
    assert feature.differing == sum(a != b for a, b in zip(shorter, longer, strict=True)) > 200
    assert feature.mean_change < feature.mean_base and feature.psi > 0.25
    accounts = next(one for one in impact.scores if one.model_name == "account_pd")
    before, after = (one["account_pd_scores"]["grade"].to_pylist() for one in (night, change))
    assert accounts.regraded == sum(a != b for a, b in zip(before, after, strict=True)) > 50
    assert blocking == ["features_changed", "score_psi", "grade_changes", "provisions"]
    assert text.startswith("# Score impact\n\n**Blocked.** features_changed on the book is 1, at most 0;")
    assert f"{accounts.regraded} change grade" in text and "| account_pd | `dpd_12m_max` |" in text


def test_a_new_harmless_feature_has_its_own_line_only(night):
    impact, blocking, text = told(night, with_a_feature_more(night))
    assert impact.is_none and not blocking
    lines = [line for line in text.splitlines() if line.startswith("- ")]
    assert lines == ["- account_pd: model input `dpd_3m_max` added"]


def test_what_is_gone_on_either_side_is_seen(night):
    fewer = night | {
        "catalog": night["catalog"].slice(0, 2),
        "account_pd_scores": night["account_pd_scores"].slice(3),
    }
    impact, blocking, _ = told(night, fewer)
    assert [(one.name, one.change) for one in impact.features] == [("requested_amount", "removed")]
    assert blocking == ["features_removed", "cases_changed"] and not impact.is_none


def test_a_gate_that_fails_and_an_auc_that_falls_are_told(night):
    worse = night | {
        "gate": replaced(night["gate"], value=pa.array([0.79])),
        "verdicts": pa.table(
            {"model_name": ["account_pd"] * 2, "rule": ["auc_floor", "overfit"], "reason": ["too low", "as before"]}
        ),
        "runs": replaced(night["runs"], seconds=pa.array([60.0, 170.0])),
    }
    _, blocking, text = told(night, worse)
    assert blocking == ["auc_fall", "run_time"]
    assert "- gate: account_pd fails auc_floor: too low" in text and "as before" not in text


def test_a_model_that_the_change_cannot_train_has_fallen_by_all_there_is(night):
    _, blocking, text = told(night, night | {"gate": night["gate"].slice(0, 0)})
    assert blocking == ["auc_fall"] and "auc_fall on the book is inf" in text and "| none |" in text


def test_who_is_gone_from_the_queue_and_who_has_other_reasons_is_told(night):
    asked = [["Balance", None, None, None]] + night["reasons"]["reasons"].to_pylist()[1:]
    change = night | {"queue": night["queue"].slice(5), "reasons": replaced(night["reasons"], reasons=pa.array(asked))}
    impact, blocking, text = told(night, change)
    assert blocking == ["triage_changes"] and (impact.rebanded, impact.queued, impact.rereasoned) == (5, 50, 1)
    assert "- 1 applications have other reasons" in text and not impact.is_none


def test_what_the_catalog_declares_otherwise_is_told_and_an_input_left_out_blocks(night):
    catalog = replaced(
        night["catalog"],
        in_model=pa.array([True, False, True]),
        monotone_direction=pa.array([-1, 0, 1]),
    )
    impact, blocking, text = told(night, night | {"catalog": catalog})
    assert blocking == ["features_removed"] and not impact.is_none
    assert "model input `dpd_12m_max` has another declaration; it was monotone_direction 1" in text
    assert "account_pd: `balance_current` is no longer a model input" in text


def test_what_a_report_does_not_show_is_said_above_it(night):
    impact = comparison.compare(night, night)
    text = report.markdown({"book": impact}, [], "how", ["requirements.txt differs"])
    assert "**No impact on any score that this report covers.**\n- requirements.txt differs" in text


def test_what_is_accepted_is_told_and_does_not_block(night):
    accepted = dict.fromkeys(("features_changed", "score_psi", "grade_changes", "provisions"), "CR-9, agreed with risk")
    _, blocking, text = told(night, of_a_wrong_window(night), accepted)
    assert not blocking
    assert "**Within limits, except for what is accepted.**" in text and text.count("(CR-9, agreed with risk)") == 4


def written(folder, text: str):
    (folder / "impact").mkdir(parents=True)
    (folder / limits.FILE).write_text(text)
    return folder


def test_an_acceptance_counts_in_the_change_that_adds_it(tmp_path):
    rules = "[limits]\n" + "".join(f"{name} = {most}\n" for name, most in LIMITS.items()) + "[accepted]\n"
    base = written(tmp_path / "base", rules + 'score_psi = "CR-1"\n')
    change = written(tmp_path / "change", rules + 'score_psi = "CR-1"\ngrade_changes = "CR-2"\n')
    assert limits.read(base, change) == (LIMITS, {"grade_changes": "CR-2"}, [])
    laxer = written(tmp_path / "laxer", rules.replace("score_psi = 0.01", "score_psi = 0.5"))
    assert limits.read(base, laxer)[2] == ["limit score_psi: 0.01 in the base, 0.5 in this change"]
    for number, (there, instead, said) in enumerate(
        (("score_psi = 0.01\n", "", "lacks score_psi"), ("[limits]", "[limits]\nwords = 1", "unknown limit, words"))
    ):
        with pytest.raises(NightbookError, match=said):
            limits.read(base, written(tmp_path / str(number), rules.replace(there, instead)))
    wrong = written(tmp_path / "wrong", rules + 'grades = "CR-2"\n')
    with pytest.raises(NightbookError, match=r"limits.toml does not exist"):
        limits.read(base, tmp_path)
    with pytest.raises(NightbookError, match=r"limits\.toml: \[accepted\] names grades, which is not a limit"):
        limits.read(base, wrong)


def test_the_limits_that_ship_are_figures_of_a_report(night):
    rules, accepted, moved = limits.read(Path("."), Path("."))
    assert rules.keys() == LIMITS.keys() == comparison.compare(night, night).figures().keys() == set(comparison.FIGURES)
    assert not accepted and not moved


def test_a_base_that_is_no_commit_is_refused_and_files_in_no_commit_count(tmp_path, monkeypatch):
    with pytest.raises(NightbookError, match="nowhere is not a commit of this clone: fetch it, or name another base"):
        sides.tree_of("nowhere")
    clone = tmp_path / "clone"
    (clone / "models").mkdir(parents=True)
    monkeypatch.chdir(clone)
    for name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "somebody")
    (clone / "models" / "one.sql").write_text("select 1")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "one")):
        sides._git(*command)
    base = sides.key_of(sides.tree_of("HEAD"))
    (clone / "README.md").write_text("decides nothing")
    assert sides.key_of(sides.tree_of_checkout(tmp_path)) == base
    (clone / "models" / "two.sql").write_text("select 2")
    assert sides.key_of(sides.tree_of_checkout(tmp_path)) != base
    assert sides._git("status", "--porcelain", "--untracked-files=no") == ""
    code = sides.lay_out(tmp_path, "change", sides.tree_of_checkout(tmp_path))
    assert [path.name for path in sorted(code.rglob("*.sql"))] == ["one.sql", "two.sql"]


def test_a_side_is_built_once_and_again_where_it_was_broken_off(tmp_path):
    made = []
    side = sides._side(tmp_path, "base", "key", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        sides._once(side, lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    assert sides._once(side, lambda: made.append("first")).is_new
    assert not sides._once(side, lambda: made.append("second")).is_new
    assert sides._once(sides._side(tmp_path, "base", "other", tmp_path), lambda: made.append("third")).is_new
    assert made == ["first", "third"] and not side.lender.exists()


@pytest.mark.parametrize("name", ["--git-dir", "--show-toplevel", "--output=report.md", "--all", "-h", ""])
def test_a_base_is_a_name_and_no_option(name):
    with pytest.raises(NightbookError, match="is not a commit of this clone"):
        sides.tree_of(name)
