"""The model's purpose, its population, what it predicts, and where it must not be used."""

from docsite import policy
from docsite.blocks import Facts, Link, Missing, Prose, Section
from docsite.model.subject import Subject

_OF_THE_LABEL = ("outcome_months", "default_days_past_due", "observed_from", "observed_through")
_OF_COHORTS = {
    "account": ("training_cohorts", "min_history_months", "holdout_cohorts", "holdout_percent", "training_accounts"),
    "application": ("application_cohorts", "application_holdout_cohorts"),
}


def section(subject: Subject) -> Section:
    """Purpose, from the docs block that the lender wrote."""
    return Section("Purpose and use", "purpose", [_block(subject, "purpose"), *_standing(subject)])


def population(subject: Subject) -> Section:
    """Who is scored and what the label is, with the policy in force."""
    return Section(
        "Population and label",
        "population",
        [
            _block(subject, "population"),
            Prose(subject.reading.docs_block("outcome") or ""),
            *policy.facts(subject.reading, (*_OF_THE_LABEL, *_OF_COHORTS.get(subject.kind, ()), "validation_percent")),
        ],
    )


def limitations(subject: Subject) -> Section:
    """What the model does not know, and when not to rely on it."""
    return Section("Limitations", "limitations", [_block(subject, "limitations")])


def _block(subject: Subject, topic: str) -> object:
    name = f"{subject.name}_{topic}"
    text = subject.reading.docs_block(name)
    return (
        Prose(text) if text else Missing(f"The docs block {name} has not been written yet; see models/_model_cards.md.")
    )


def _standing(subject: Subject) -> list[object]:
    if subject.version is None:
        waiting = [one for one in subject.versions if one.approver is None]
        pending = (
            f"{len(waiting)} registered versions wait for approval." if waiting else "No version waits for approval."
        )
        return [
            Missing(f"{subject.name} has no champion: it scores nobody, and there are no figures to show. {pending}"),
        ]
    found = [
        ("Champion", ["version ", subject.of_record("model_version")]),
        ("Algorithm", subject.of_record("algorithm")),
        ("Made by", subject.of_record("maker")),
        ("Approved by", [subject.of_record("approver"), ", ", subject.of_record("change_request")]),
        ("Typed by the account that made it", subject.of_record("is_by_makers_account")),
        ("Approved at (UTC)", subject.of_record("approved_at")),
        ("Code", subject.of_record("git_commit")),
        ("SHA-256 of the model's file", subject.of_record("model_digest")),
        ("SHA-256 of its training set", subject.of_record("data_digest")),
        ("MLflow run", subject.of_record("mlflow_run_id")),
        ("Every change", Link("approvals and changes", "#changes")),
    ]
    return [Facts(found)]
