"""What each command does: one call into landing, dbt or the registry, then a report."""

import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar

from nightbook import landing
from nightbook.catalog import schema_yaml
from nightbook.engine import home, warehouse
from nightbook.errors import NightbookError
from nightbook.registry import mlflow_store
from runner import dbt_build, given, locks, progress, run, summaries, terminal
from runner.alerts import metrics_file, watch

_P = ParamSpec("_P")
_R = TypeVar("_R")


def _writes(command: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let a command hold the home's lock while it runs. It also reports a previous command that was killed."""

    def decorate(call: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(call)
        def alone(*arguments: _P.args, **options: _P.kwargs) -> _R:
            with locks.writing(command) as killed:
                if killed:
                    terminal.say(f"{killed} did not finish: its unfinished work is done again")
                return call(*arguments, **options)

        return alone

    return decorate


@_writes("land synthetic")
def land_synthetic(accounts: int, months: int, seed: int, applications: int) -> landing.Load:
    """Land the synthetic lender and return its load."""
    with progress.doing("Landing the synthetic lender", "accounts") as work:
        load = landing.land_synthetic(
            accounts, months, seed, applications, on_progress=lambda done, total: work.tell(done=done, total=total)
        )
    terminal.load(load)
    return load


@_writes("land uci-taiwan")
def land_uci_taiwan(file: Path) -> None:
    """Land the UCI credit-card default data."""
    terminal.load(landing.land_uci_taiwan(file))


@_writes("land files")
def land_files(directory: Path) -> None:
    """Land the user's own files."""
    terminal.load(landing.land_files(directory))


@_writes("stage")
def stage() -> None:
    """Put the library on the stage of the Snowflake account, for dbt builds that are started without this runner."""
    from runner import snowflake_stage

    terminal.say(f"{snowflake_stage.FILE} is on @{snowflake_stage.STAGE}, SHA-256 {snowflake_stage.stage()}")


@watch.watched("weekly")
@_writes("train")
def train(
    as_of: date | None = None,
    known_at: datetime | None = None,
    if_needed: bool = False,
    override: str = "",
    reason: str = "",
) -> list[dict]:
    """Train every model.

    Returns:
        One row per candidate with its outcome. The list is empty if the rules see no need for a training.
    """
    answered = _answered_for(override, reason)
    mlflow_store.check()
    with _environment(**_named(as_of, known_at), **answered):
        if if_needed and not _is_training_needed():
            return []
        build = run.cadence("weekly", "Training")
    candidates = summaries.candidates()
    terminal.training(build, candidates)
    return candidates


@watch.watched()
@_writes("approve")
def approve(model: str, version: int, approver: str, change_request: str) -> None:
    """Make a version the champion."""
    from runner import promotions

    asked = {"approver": approver, "change_request": given.line(change_request, "--change-request")}
    mlflow_store.check()
    summaries.check_audit_log()
    terminal.promotion(promotions.approve(model, version, **asked))


@watch.watched()
@_writes("rollback")
def rollback(model: str, approver: str, change_request: str) -> None:
    """Make the previous champion the champion again."""
    from runner import promotions

    asked = {"approver": approver, "change_request": given.line(change_request, "--change-request")}
    mlflow_store.check()
    summaries.check_audit_log()
    terminal.promotion(promotions.rollback(model, **asked))


@watch.watched("nightly")
@_writes("score")
def score(as_of: date | None = None, known_at: datetime | None = None, override: str = "", reason: str = "") -> None:
    """Score one night."""
    _check_models()
    with _environment(**_named(as_of, known_at), **_answered_for(override, reason)):
        build = run.cadence("nightly", "Scoring")
    terminal.night(build, summaries.night())


@watch.watched("backfill")
@_writes("backfill")
def backfill(first: date, last: date, pinned: dict[str, int], override: str = "", reason: str = "") -> None:
    """Score past dates, one partition at a time. Dates that are done already are skipped."""
    from runner import backfill

    answered = _answered_for(override, reason)
    mlflow_store.check()
    summaries.check_audit_log()
    dbt_build.parse()
    dates = backfill.plan(first, last, pinned)
    for number, one in enumerate(dates, start=1):
        title = f"{one.as_of_date} ({number} of {len(dates)})"
        if one.is_done:
            terminal.say(f"{title}: already scored")
            continue
        named = {"NIGHTBOOK_AS_OF": one.as_of_date.isoformat(), "NIGHTBOOK_VERSIONS": one.versions}
        with _environment(**named, **answered):
            build = run.cadence("nightly", f"Scoring {title}")
        terminal.say(f"{title}: scored by {one.versions} in {build.seconds:.0f} s")


def explain(
    as_of: date,
    account: str | None,
    application: str | None,
    model: str | None = None,
    as_json: bool = False,
    evidence: Path | None = None,
) -> None:
    """Explain one score."""
    from nightbook.trail import explanation

    explained = explanation.explain(as_of, account=account, application=application, model_name=model)
    if evidence is not None:
        from nightbook.trail import evidence_pack as pack

        digest = pack.write(explained, evidence)
        terminal.say(f"{evidence}: SHA-256 {digest}", aside=as_json)
    if as_json:
        print(json.dumps(explained, indent=2))
    elif evidence is None:
        terminal.explanation(explained)


def explain_version(model: str, version: int, against: int | None, as_json: bool = False) -> None:
    """Explain how a version of a model was made, and how another version differs from it."""
    from nightbook.trail import explanation

    explained = explanation.explain_version(model, version, against)
    if as_json:
        print(json.dumps(explained, indent=2))
    else:
        terminal.version(explained)


def reproduce(
    as_of: date, account: str | None, application: str | None, sample: int | None, as_json: bool = False
) -> None:
    """Compute a past night again from raw rows and compare.

    Raises:
        NightbookError: a score differs, or the night cannot be computed again.
    """
    from nightbook.trail import reproduce

    found = reproduce.reproduce(as_of, account=account, application=application, sample=sample)
    if as_json:
        print(json.dumps(reproduce.as_dict(found), indent=2, default=str))
    else:
        terminal.reproduction(found)
    if not found.is_equal:
        more = sum(found.different.values()) - 1
        raise NightbookError(f"not reproduced: {found.differences[0]}" + (f" (and {more} more rows)" if more else ""))


def verify_audit(head: str | None = None) -> None:
    """Compare runs, versions, promotions and published rows with the audit log."""
    terminal.verified(summaries.verified(head))


def status(as_json: bool, as_metrics: bool = False) -> None:
    """Show the state of the home.

    With `as_metrics`, write the metrics file, send notices that are still unsent, and print the metrics.
    """
    if as_metrics:
        watch.look()
        print(metrics_file.path().read_text() if metrics_file.path().exists() else "", end="")
        return
    state = summaries.status()
    if as_json:
        print(json.dumps(state, indent=2, default=str))
    else:
        terminal.status(state)


@_writes("docs")
def docs(folder: Path | None = None) -> None:
    """Write the documentation site, dbt's docs and the model-risk pages, from the warehouse and the registry."""
    from docsite.build import build

    folder = folder or home.home() / "docs"
    started = time.monotonic()
    built = build(folder)
    if built.incomplete:
        terminal.say(f"note: dbt's docs have no compiled SQL until the next run: {built.incomplete}")
    terminal.say(
        f"{built.pages} pages and dbt's docs in {time.monotonic() - started:.0f} s: open {folder / 'index.html'}"
    )


@_writes("demo")
def demo(accounts: int) -> None:
    """Go from an empty home to a scored book: land, train, approve as a second person, score."""
    maker, approver = "demo-modeller", "demo-approver"
    land_synthetic(accounts, months=36, seed=1, applications=200)
    with _environment(NIGHTBOOK_ACTOR=maker):
        candidates = train()
    with _environment(NIGHTBOOK_ACTOR=approver):
        for candidate in candidates:
            if candidate["model_version"] is None:
                raise NightbookError(
                    f"{candidate['model_name']}: the gate rejected the demo's candidate: {candidate['reasons']}"
                )
            approve(candidate["model_name"], candidate["model_version"], approver, "DEMO-1")
    score()
    terminal.demo(summaries.status(), maker, approver)


def _check_models() -> None:
    """Check the models before the build starts. Otherwise a large book fails only after its features are built.

    The run checks again. A home of an earlier version has no record yet, so nothing can be checked for it here.
    """
    mlflow_store.check()
    from nightbook.registry import record
    from nightbook.scoring import scorer
    from nightbook.trail import audit

    if not warehouse.exists():
        return
    with warehouse.asking() as query:
        # An emptied audit log would make every row of the record look forged, so check the log first.
        audit.check_unbroken(query)
        if not warehouse.has(query, "audit", "promotion_log"):
            return
        kept = record.Record.of(query)
    record.check(kept, sorted({row["model_name"] for row in schema_yaml.read()}), scorer.pinned_versions())


def _is_training_needed() -> bool:
    """Build the training decision and print its reason."""
    build = run.cadence("training_need", "Checking whether a training is needed")
    decisions = summaries.training_decisions(build.run_id)
    terminal.training_decision(decisions)
    return any(row["decision"] == "train" for row in decisions)


def _named(as_of: date | None, known_at: datetime | None) -> dict[str, str]:
    given = {"NIGHTBOOK_AS_OF": as_of and as_of.isoformat(), "NIGHTBOOK_KNOWN_AT": known_at and known_at.isoformat(" ")}
    return {name: value for name, value in given.items() if value}


def _answered_for(override: str, reason: str) -> dict[str, str]:
    if not override:
        return {}
    return {
        "NIGHTBOOK_OVERRIDE": given.line(override, "--override"),
        "NIGHTBOOK_OVERRIDE_REASON": given.line(reason, "--reason"),
    }


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
