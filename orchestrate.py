#!/usr/bin/env python
"""Command line of Nightbook. Each command parses its arguments and makes one call into `runner.commands`."""

import argparse
import os
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "python_models"))
# Set before the working directory changes to the project's root, so that a relative home is relative to the user. dbt
# resolves its profile, its paths and the library from that root.
os.environ["NIGHTBOOK_HOME"] = str(Path(os.environ.get("NIGHTBOOK_HOME", ".nightbook")).absolute())

from nightbook import shown  # noqa: E402
from nightbook.errors import NightbookError  # noqa: E402
from runner import commands  # noqa: E402


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a date; write YYYY-MM-DD") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not a time; write 'YYYY-MM-DD HH:MM:SS', UTC") from None
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _path(text: str) -> Path:
    return Path(text).absolute()


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 1 or more")
    return int(text)


def _whole(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of 0 or more")
    return int(text)


def _overrides(command: argparse.ArgumentParser, given: argparse.Namespace) -> dict[str, str]:
    if bool(given.override) != bool((given.reason or "").strip()):
        command.error("give --override and --reason together: the reason is recorded with the run")
    return {"override": ",".join(given.override), "reason": given.reason} if given.override else {}


def _first_model() -> str:
    from nightbook.catalog import scoring_models

    return next(iter(scoring_models.read()))


def _versions(text: str) -> dict[str, int]:
    versions = dict((part if "=" in part else f"{_first_model()}={part}").split("=", 1) for part in text.split(","))
    if not all(name and version.isdigit() for name, version in versions.items()):
        raise argparse.ArgumentTypeError(f"'{text}' does not name versions; write N, or MODEL=N,MODEL=N")
    return {name: int(version) for name, version in versions.items()}


def _explain(command: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    if given.account is None and given.application is None:
        if given.model is None:
            command.error("give --account, --application, or --model with --version N")
        if given.version is None:
            command.error("--model needs --version N")
        commands.explain_version(given.model, given.version, given.against, given.json)
    elif given.as_of is None:
        command.error("--account and --application need --as-of DATE")
    else:
        commands.explain(given.as_of, given.account, given.application, given.model, given.json, given.evidence)


class _Parser(argparse.ArgumentParser):
    """A parser that escapes its error messages: argparse repeats the input, and other people may read the log."""

    def parse_known_args(self, args=None, namespace=None):
        # argparse reads `--as-of=--` as `--as-of` without a value, and the command would continue with its default.
        for one in sys.argv[1:] if args is None else args:
            if one.endswith("=--"):
                self.error(f"argument {one[:-3]}: '--' is not a value")
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        super().error(shown.line(message))


def parser() -> argparse.ArgumentParser:
    """Build the parser with the arguments of every command."""
    top = _Parser(prog="orchestrate.py", description="Nightbook: batch credit scoring in one dbt project.")
    command = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    land = command.add_parser("land", help="bring rows into schema raw").add_subparsers(
        dest="source", required=True, metavar="SOURCE"
    )
    synthetic = land.add_parser("synthetic", help="a made-up lender, from a random seed")
    synthetic.add_argument("--accounts", type=_count, required=True, metavar="N", help="accounts ever opened")
    synthetic.add_argument("--months", type=_count, default=36, metavar="M", help="month-end snapshots (36)")
    synthetic.add_argument("--seed", type=_whole, default=1, metavar="S", help="same seed, same bytes (1)")
    synthetic.add_argument("--applications", type=_whole, default=200, metavar="K", help="undecided applications (200)")
    synthetic.set_defaults(run=lambda a: commands.land_synthetic(a.accounts, a.months, a.seed, a.applications))
    uci = land.add_parser("uci-taiwan", help="the UCI credit-card default data")
    uci.add_argument("--file", type=_path, required=True, metavar="PATH")
    uci.set_defaults(run=lambda a: commands.land_uci_taiwan(a.file))
    files = land.add_parser("files", help="your own Parquet or CSV in the landing contract")
    files.add_argument("--dir", type=_path, required=True, metavar="PATH")
    files.set_defaults(run=lambda a: commands.land_files(a.dir))

    stage = command.add_parser("stage", help="put the library on the stage from which Snowflake imports it")
    stage.set_defaults(run=lambda a: commands.stage())

    train = command.add_parser("train", help="fit, measure and register candidates")
    train.add_argument("--as-of", type=_date, metavar="DATE", help="default: the latest snapshot")
    train.add_argument("--if-needed", action="store_true", help="only if a rule in the training_rules seed asks for it")
    train.set_defaults(run=lambda a: commands.train(a.as_of, a.known_at, a.if_needed, **_overrides(train, a)))

    approve = command.add_parser("approve", help="make a registered version the champion")
    approve.add_argument("model", metavar="MODEL")
    approve.add_argument("--version", type=_count, required=True, metavar="N")
    rollback = command.add_parser("rollback", help="make the previous champion the champion again")
    rollback.add_argument("model", metavar="MODEL")
    for promotion in (approve, rollback):
        promotion.add_argument("--approver", required=True, metavar="NAME")
        promotion.add_argument("--change-request", required=True, metavar="ID")
    approve.set_defaults(run=lambda a: commands.approve(a.model, a.version, a.approver, a.change_request))
    rollback.set_defaults(run=lambda a: commands.rollback(a.model, a.approver, a.change_request))

    score = command.add_parser("score", help="score the book and triage the applications")
    score.add_argument("--as-of", type=_date, metavar="DATE", help="default: the latest snapshot")
    score.set_defaults(run=lambda a: commands.score(a.as_of, a.known_at, **_overrides(score, a)))
    for run in (train, score):
        run.add_argument(
            "--known-at", type=_moment, metavar="TIME", help="ignore rows loaded after this time, UTC; default: now"
        )

    backfill = command.add_parser("backfill", help="score past dates, each with the champion of that date")
    backfill.add_argument("--from", dest="first", type=_date, required=True, metavar="DATE")
    backfill.add_argument("--to", dest="last", type=_date, required=True, metavar="DATE")
    backfill.add_argument(
        "--with-champion", type=_versions, default={}, metavar="N",
        help="use this version of account_pd on every date; or MODEL=N,MODEL=N",
    )  # fmt: skip
    backfill.set_defaults(run=lambda a: commands.backfill(a.first, a.last, a.with_champion, **_overrides(backfill, a)))
    for run in (train, score, backfill):
        run.add_argument(
            "--override", action="append", default=[], metavar="RULE[:TABLE[.COLUMN]]",
            help="override this stop for this run; may be repeated",
        )  # fmt: skip
        run.add_argument("--reason", metavar="TEXT", help="why the stop is overridden; recorded with the actor")

    explain = command.add_parser("explain", help="show how a score or a model version was made")
    subject = explain.add_mutually_exclusive_group()
    subject.add_argument("--account", metavar="ID")
    subject.add_argument("--application", metavar="ID")
    explain.add_argument("--model", metavar="MODEL", help="explain a version of this model, or its score of the case")
    explain.add_argument("--as-of", type=_date, metavar="DATE", help="the scored night")
    explain.add_argument("--version", type=_count, metavar="N", help="version of the model")
    explain.add_argument("--against", type=_count, metavar="N", help="also show what differs in version N")
    explain.add_argument("--json", action="store_true", help="for machines")
    explain.add_argument("--evidence", type=_path, metavar="FILE.zip", help="write an evidence pack that opens offline")
    explain.set_defaults(run=lambda a: _explain(explain, a))

    reproduce = command.add_parser("reproduce", help="compute a past night again from raw rows and compare")
    reproduce.add_argument("--as-of", type=_date, required=True, metavar="DATE", help="the scored night")
    part = reproduce.add_mutually_exclusive_group()
    part.add_argument("--account", metavar="ID", help="this account only")
    part.add_argument("--application", metavar="ID", help="this application only")
    part.add_argument("--sample", type=_count, metavar="N", help="a sample of N of each; default: the whole night")
    reproduce.add_argument("--json", action="store_true", help="for machines")
    reproduce.set_defaults(run=lambda a: commands.reproduce(a.as_of, a.account, a.application, a.sample, a.json))

    verify = command.add_parser("verify-audit", help="check that scores and their audit trail are unchanged")
    verify.add_argument("--head", metavar="HASH", help="hash of an entry noted earlier; the log must still have it")
    verify.set_defaults(run=lambda a: commands.verify_audit(a.head))

    status = command.add_parser("status", help="champions, last runs, gate, drift, open approvals")
    form = status.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="for machines")
    form.add_argument("--metrics", action="store_true", help="for Prometheus: write the file, send new notices")
    status.set_defaults(run=lambda a: commands.status(a.json, a.metrics))

    docs = command.add_parser("docs", help="write the documentation site: dbt's docs and a page per model")
    docs.add_argument("--to", type=_path, metavar="DIR", help="folder to write or replace; default: docs in the home")
    docs.set_defaults(run=lambda a: commands.docs(a.to))

    demo = command.add_parser("demo", help="land, train, approve and score a synthetic lender")
    demo.add_argument("--accounts", type=_count, default=40_000, metavar="N", help="accounts ever opened (40000)")
    demo.set_defaults(run=lambda a: commands.demo(a.accounts))
    return top


def _say(line: str) -> None:
    print(shown.line(f"nightbook: {line}"), file=sys.stderr)


def main() -> int:
    # A terminal with a narrow encoding shows unknown characters as escapes; the command must not fail on them.
    sys.stdout.reconfigure(errors="backslashreplace")
    arguments = parser().parse_args()
    os.chdir(ROOT)
    try:
        arguments.run(arguments)
    except NightbookError as error:
        _say(str(error))
        return 1
    except Exception as error:
        # For example a full disk, an unreachable store, or a defect.
        if os.environ.get("NIGHTBOOK_DEBUG"):
            raise
        first = (str(error).strip().splitlines() or ["no message"])[0]
        _say(f"{type(error).__name__}: {first} (NIGHTBOOK_DEBUG=1 shows the traceback)")
        return 1
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to finish")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
