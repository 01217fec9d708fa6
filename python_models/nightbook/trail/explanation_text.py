"""An explanation in words: a tree of lines, the same in the terminal and in an evidence pack."""

from nightbook import people

# A line, and the branches below it.
Branch = tuple[str, list["Branch"]]

# Number of contributions that are listed before the rest is summed.
_SPELLED_OUT = 15


def of_score(facts: dict) -> Branch:
    """The result of `explanation.explain`: the score, its model, its contributions, and its source rows."""
    score = facts["score"]
    return (
        f"{facts['kind']} {facts['key']} as of {facts['as_of_date']}: score {score['score']}, "
        f"grade {score['risk_grade']}, PD {score['pd']:.4%}",
        [_model(facts), _run(facts["run"]), _contributions(facts), _rows(facts["raw"])],
    )


def of_version(facts: dict) -> Branch:
    """The result of `explanation.explain_version`: people, code, data, and differences from another version."""
    libraries = ", ".join(f"{name} {version}" for name, version in facts["libraries"].items())
    lines = [
        f"made by {facts['maker']}, run {facts['run_id']}, MLflow run {facts['mlflow_run_id']},"
        f" {facts['registered_at']}",
        f"last approved by {_approval(facts)} under {facts['change_request'] or 'no change request'}",
        f"commit {facts['git_commit']}, {libraries}",
        f"training set {facts['data_digest']}, sorted by {', '.join(facts['row_order']) or 'unknown columns'}",
    ]
    branches = [_leaf(line) for line in lines]
    if "against" in facts:
        other = facts["against"]
        differs = [
            f"{name}: {one['this']}; version {other['model_version']} has {one['other']}"
            for name, one in other["differs_in"].items()
        ]
        differs.append(f"data that differs: {', '.join(other['data_that_differs']) or 'none'}")
        branches.append((f"what differs in version {other['model_version']}", [_leaf(line) for line in differs]))
    name = f"{facts['model_name']} version {facts['model_version']} ({facts['algorithm']}), {facts['model_digest']}"
    return name, branches


def _model(facts: dict) -> Branch:
    model = facts["model"]
    approved = (
        f"approved by {_approval(model)} under {model['change_request']} at {model['approved_at']}"
        if model["approver"]
        else "not approved before it scored: it was pinned for this date"
    )
    return (
        f"scored by {model['model_name']} version {model['model_version']} ({model['algorithm']})",
        [
            _leaf(f"made by {model['maker']}, run {model['trained_by_run']}, MLflow run {model['mlflow_run_id']}"),
            _leaf(approved),
            _leaf(f"digest {model['model_digest']}"),
            _leaf(f"training set {model['data_digest']}, commit {model['git_commit']}"),
            (
                f"{len(facts['gate'])} gate verdicts",
                [_leaf(f"{row['verdict']}: {row['reason']}") for row in facts["gate"]],
            ),
        ],
    )


def _run(run: dict) -> Branch:
    changes = " with changes" if run["is_dirty"] else ""
    return (
        f"in run {run['run_id']} of {run['started_at']} by {run['actor']}",
        [
            _leaf(f"saw rows loaded by {run['known_at']}"),
            _leaf(f"commit {run['git_commit']}{changes}, {run['engine']}"),
            _leaf(f"SQL {run['manifest_digest']}"),
            _leaf(f"library {run['library_digest']}"),
            _leaf(f"lock {run['lock_digest']}"),
            _leaf(f"data tests {run['tests_digest']}"),
        ],
    )


def _contributions(facts: dict) -> Branch:
    moved = [row for row in facts["inputs"] if row["contribution"]]
    lines = []
    for row in moved[:_SPELLED_OUT]:
        lines.append(
            f"{row['contribution']:+.4f}  {row['feature']} = {value(row['value'])}: {row['description']} "
            f"({row['source']}, {place(row['defined_in'])})"
        )
    rest = moved[_SPELLED_OUT:]
    if rest:
        lines.append(f"{sum(row['contribution'] for row in rest):+.4f}  {len(rest)} more inputs")
    if len(moved) < len(facts["inputs"]):
        lines.append(f"{len(facts['inputs']) - len(moved)} inputs contribute nothing")
    return (
        f"log odds {facts['margin']:.6f} = base value {facts['base_value']:.6f} and the contributions of "
        f"{len(facts['inputs'])} inputs",
        [_leaf(line) for line in lines],
    )


def _rows(raw: dict[str, list[dict]]) -> Branch:
    lines = []
    for name, landed in raw.items():
        if not landed:
            lines.append(f"{name}: no rows")
            continue
        loads = ", ".join(sorted({row["_load_id"] for row in landed}))
        superseded = sum(row["is_superseded"] for row in landed)
        last = max(row["_loaded_at"] for row in landed)
        lines.append(
            f"{name}: {len(landed)} row{'s' if len(landed) > 1 else ''} of load {loads}, the last loaded at {last}"
            + (f", {superseded} superseded" if superseded else "")
        )
    return "landed rows behind the score", [_leaf(line) for line in lines]


def value(number: float | None) -> str:
    """An input's value in a readable form."""
    return "unknown" if number is None else f"{number:g}"


def place(defined_in: dict | None) -> str:
    """File and line where an input is written."""
    return "in no model of this checkout" if defined_in is None else f"{defined_in['file']}:{defined_in['line']}"


def _approval(facts: dict) -> str:
    return people.approval(facts["approver"], facts["is_by_makers_account"])


def _leaf(line: str) -> Branch:
    return line, []
