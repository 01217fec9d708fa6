"""What the commands print for people."""

from typing import TYPE_CHECKING

from nightbook import people, shown
from nightbook.trail import explanation_text
from rich import box
from rich.console import Console
from rich.style import StyleType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

if TYPE_CHECKING:
    from nightbook.landing import Load
    from nightbook.registry.record import Promotion
    from nightbook.trail.audit import Checked
    from nightbook.trail.reproduce import Reproduction
    from runner.dbt_build import Build

# Logs and pipes have no width of their own, and a table squeezed into 80 columns cannot be read. Square brackets and
# colons are part of names and reasons, so rich's markup is off.
_console = Console(width=None if Console().is_terminal else 140, markup=False, emoji=False)


class _Table(Table):
    """A table of texts. None is an empty cell."""

    def add_row(self, *cells: object, style: StyleType | None = None, end_section: bool = False) -> None:
        texts = (None if one is None else shown.line(one) for one in cells)
        super().add_row(*texts, style=style, end_section=end_section)


def say(text: str, aside: bool = False) -> None:
    """Print one line. With `aside`, it goes to stderr, so that it does not mix with output for machines."""
    console = Console(stderr=True, markup=False, emoji=False) if aside else _console
    console.print(shown.line(text), soft_wrap=True, highlight=False)


def load(landed: "Load") -> None:
    """Print the rows per landing table of a load."""
    table = _table(f"Landed {landed.load_id}, last snapshot {landed.last_snapshot}", "table", "rows")
    for name, rows in landed.rows.items():
        table.add_row(name, f"{rows:,}")
    _console.print(table)
    for note in landed.notes:
        say(f"note: {note}")


def training(build: "Build", candidates: list[dict]) -> None:
    """Print candidates beside their champions and benchmarks, with the gate's result."""
    table = _table(
        f"Training {build.run_id[:8]}: {build.models} models, {build.rules} rules in {build.tests} tests, "
        f"{build.seconds:.0f} s",
        "model", "candidate", "holdout AUC", "KS", "Brier", "champion", "logistic", "gate",
    )  # fmt: skip
    for row in candidates:
        table.add_row(
            row["model_name"],
            row["algorithm"] or row["status"],
            _interval(row, "auc"),
            _interval(row, "ks"),
            _interval(row, "brier"),
            _number(row["champion_auc"]),
            _number(row["benchmark_auc"]),
            f"passed: version {row['model_version']}" if row["model_version"] else "not registered",
        )
    _console.print(table)
    for row in candidates:
        name, version = row["model_name"], row["model_version"]
        if version is None:
            say(f"{name}: {row['reasons']}")
        else:
            say(
                f"{name}: waits for approval: python orchestrate.py approve {name} --version {version} "
                "--approver NAME --change-request ID",
            )


def training_decision(decisions: list[dict]) -> None:
    """Print one line that says why a training is needed, or why not."""
    is_needed = any(row["decision"] == "train" for row in decisions)
    reasons = [f"{row['model_name']}: {row['reason']}" for row in decisions if row["rules_met"] or not is_needed]
    say(f"{'Training is needed' if is_needed else 'Not trained'}: {'. '.join(reasons)}")


def promotion(made: "Promotion") -> None:
    """Print who is champion now and who approved it."""
    before = f"version {made.previous_version}" if made.previous_version else "none"
    say(
        f"{made.model_name}: version {made.model_version} is champion ({made.action} by "
        f"{people.approval(made.approver, made.is_by_makers_account)}, "
        f"{made.change_request}; before: {before})"
    )


def night(build: "Build", scored: dict) -> None:
    """Print the book by grade, the queue by band, provisions by stage, and the worst drift."""
    accounts = sum(row["accounts"] for row in scored["grades"])
    applications = sum(row["applications"] for row in scored["triage"])
    provision = sum(row["expected_loss"] for row in scored["provisions"])
    table = _table(
        f"Night of {scored['as_of_date']}, run {build.run_id[:8]}: {build.models} models, "
        f"{build.rules} rules in {build.tests} tests, {build.seconds:.0f} s",
        "what", "group", "count", "mean PD", "amount",
    )  # fmt: skip
    for row in scored["grades"]:
        table.add_row("book", f"grade {row['risk_grade']}", f"{row['accounts']:,}", f"{row['mean_pd']:.2%}", "")
    table.add_section()
    for row in scored["triage"]:
        table.add_row(
            "queue", row["triage_band"], f"{row['applications']:,}", f"{row['mean_pd']:.2%}", f"{row['requested']:,}"
        )
    table.add_section()
    for row in scored["provisions"]:
        table.add_row(
            "provisions", f"stage {row['ifrs9_stage']}", f"{row['accounts']:,}", "", f"{row['expected_loss']:,}"
        )
    _console.print(table)
    say(f"{accounts:,} accounts scored, {applications:,} applications triaged, provisions {provision:,} in total")
    for row in scored["worst_psi"]:
        say(f"{row['model_name']}: most drifted {row['feature']}, PSI {row['value']:.3f} ({row['status']})")
    for warning in build.warnings:
        say(f"warning: {warning}")


def explanation(explained: dict) -> None:
    """Print one score as a tree: the score, its model, its contributions and its source rows."""
    _console.print(_tree(explanation_text.of_score(explained)), highlight=False)


def version(explained: dict) -> None:
    """Print how a version was made, and how another version differs from it."""
    _console.print(_tree(explanation_text.of_version(explained)), highlight=False)


def reproduction(found: "Reproduction") -> None:
    """Print how many scores were computed again, how many are equal, and the differences."""
    night = found.night
    table = _table(
        f"Night of {night.as_of_date}, run {night.run['run_id'][:8]}, computed again by {found.code}",
        "relation", "rows", "bit-identical",
    )  # fmt: skip
    for relation, rows in found.compared.items():
        table.add_row(relation, f"{rows:,}", f"{rows - found.different[relation]:,}")
    _console.print(table)
    for line in [*map(str, found.differences), *found.notes]:
        say(line)


def verified(checked: "Checked") -> None:
    """Print how much was checked, and the hash of the last entry, which covers all entries before it."""
    say(
        f"Verified: {checked.entries:,} entries of the audit log, {checked.facts:,} runs, versions, promotions and "
        f"verdicts, {checked.partitions:,} partitions, {checked.versions:,} model versions",
    )
    for note in checked.notes:
        say(f"note: {note}")
    say(f"Keep this hash where nobody who can write to the warehouse can change it: {checked.head}")


def status(state: dict) -> None:
    """Print champions, last runs, the last gate and open approvals."""
    champions = _table(f"Champions in {state['home']}", "model", "version", "algorithm", "maker", "approver", "change")
    for row in state["champions"]:
        champions.add_row(
            row["model_name"],
            str(row["model_version"]),
            row["algorithm"],
            row["maker"],
            people.approval(row["approver"], row["is_by_makers_account"]),
            row["change_request"],
        )
    _console.print(champions)
    runs = _table("Last runs", "cadence", "as of", "outcome", "seconds", "accounts", "applications", "actor")
    for row in state["last_runs"]:
        runs.add_row(
            row["cadence"],
            str(row["as_of_date"] or ""),
            row["outcome"],
            f"{row['seconds']:.0f}",
            _whole(row["accounts_scored"]),
            _whole(row["applications_scored"]),
            row["actor"],
        )
    _console.print(runs)
    gate = _table("Last gate", "model", "holdout AUC", "KS", "Brier", "champion", "outcome")
    for row in state["last_gate"]:
        gate.add_row(
            row["model_name"],
            _interval(row, "auc"),
            _interval(row, "ks"),
            _interval(row, "brier"),
            _number(row["champion_auc"]),
            f"version {row['model_version']}" if row["model_version"] else "not registered",
        )
    _console.print(gate)
    for row in state["open_approvals"]:
        say(f"waiting for approval: {row['model_name']} version {row['model_version']}, made by {row['maker']}")
    for row in (state["last_night"] or {}).get("worst_psi", []):
        say(f"{row['model_name']}: most drifted {row['feature']}, PSI {row['value']:.3f} ({row['status']})")


def demo(state: dict, maker: str, approver: str) -> None:
    """Print what the demo did and which commands to try next."""
    figures = {row["model_name"]: row for row in state["last_gate"]}
    _console.print()
    for row in state["champions"]:
        gate = figures[row["model_name"]]
        say(
            f"Champion {row['model_name']} version {row['model_version']}: AUC {gate['auc']:.3f}, KS {gate['ks']:.3f}; "
            f"made by {maker}, approved by {approver}"
        )
    last = state["last_night"]
    accounts = sum(row["accounts"] for row in last["grades"])
    applications = sum(row["applications"] for row in last["triage"])
    provision = sum(row["expected_loss"] for row in last["provisions"])
    say(f"Accounts scored: {accounts:,}")
    say(f"Applications triaged: {applications:,}")
    say(f"Provisions: {provision:,}")
    _console.print("\nType next:")
    for line in (
        ". .venv/bin/activate",
        "python orchestrate.py status",
        f"python orchestrate.py reproduce --as-of {last['as_of_date']} --sample 100   # compute it again from raw rows",
        "python orchestrate.py verify-audit         # check that the audit trail is unchanged",
        "python orchestrate.py docs                 # write the documentation site",
        "dbt build --select tag:nightly             # do the same work without the runner",
        """dbt show --inline "select * from {{ ref('underwriting_queue') }} order by rank" --limit 5""",
    ):
        say(f"  {line}")


def _tree(branch: explanation_text.Branch) -> Tree:
    line, twigs = branch
    tree = Tree(Text(shown.line(line)))
    for twig in twigs:
        tree.children.append(_tree(twig))
    return tree


def _table(title: str, *columns: str) -> _Table:
    _console.print()
    _console.print(Text(shown.line(title), style="bold"), soft_wrap=True)
    table = _Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        is_number = name in ("rows", "count", "mean PD", "amount", "seconds", "accounts", "applications", "version")
        table.add_column(name, justify="right" if is_number else "left")
    return table


def _interval(row: dict, name: str) -> str:
    if row[name] is None:
        return ""
    return f"{row[name]:.3f} ({row[name + '_low']:.3f}-{row[name + '_high']:.3f})"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _whole(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
