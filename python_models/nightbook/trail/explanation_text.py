"""An explanation in words: a tree of lines, the same in the terminal and in an evidence pack."""

from nightbook import people

# A line, and the branches below it.
Branch = tuple[str, list["Branch"]]

# Number of contributions that are listed before the rest is summed.
_SPELLED_OUT = 15


def of_score(told: dict) -> Branch:
    """The result of `explanation.explain`: the score, its model, its contributions, and its source rows."""
    score = told["score"]
    return (
        f"{told['kind']} {told['key']} as of {told['as_of_date']}: score {score['score']}, "
        f"grade {score['risk_grade']}, PD {score['pd']:.4%}",
        [_model(told), _run(told["run"]), _contributions(told), _rows(told["raw"])],
    )


def of_version(told: dict) -> Branch:
    """The result of `explanation.explain_version`: people, code, data, and differences from another version."""
    libraries = ", ".join(f"{name} {version}" for name, version in told["libraries"].items())
    lines = [
        f"made by {told['maker']}, run {told['run_id']}, MLflow run {told['mlflow_run_id']}, {told['registered_at']}",
        f"last approved by {_approval(told)} under {told['change_request'] or 'no change request'}",
        f"commit {told['git_commit']}, {libraries}",
        f"training set {told['data_digest']}, sorted by {', '.join(told['row_order']) or 'unknown columns'}",
    ]
    branches = [_leaf(line) for line in lines]
    if "against" in told:
        other = told["against"]
        differs = [
            f"{name}: {one['this']}; version {other['model_version']} has {one['other']}"
            for name, one in other["differs_in"].items()
        ]
        differs.append(f"data that differs: {', '.join(other['data_that_differs']) or 'none'}")
        branches.append((f"what differs in version {other['model_version']}", [_leaf(line) for line in differs]))
    name = f"{told['model_name']} version {told['model_version']} ({told['algorithm']}), {told['model_digest']}"
    return name, branches


def _model(told: dict) -> Branch:
    model = told["model"]
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
                f"{len(told['gate'])} gate verdicts",
                [_leaf(f"{row['verdict']}: {row['reason']}") for row in told["gate"]],
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


def _contributions(told: dict) -> Branch:
    moved = [row for row in told["inputs"] if row["contribution"]]
    lines = []
    for row in moved[:_SPELLED_OUT]:
        lines.append(
            f"{row['contribution']:+.4f}  {row['feature']} = {value(row['value'])}: {row['description']} "
            f"({row['source']}, {place(row['defined_in'])})"
        )
    rest = moved[_SPELLED_OUT:]
    if rest:
        lines.append(f"{sum(row['contribution'] for row in rest):+.4f}  {len(rest)} more inputs")
    if len(moved) < len(told["inputs"]):
        lines.append(f"{len(told['inputs']) - len(moved)} inputs contribute nothing")
    return (
        f"log odds {told['margin']:.6f} = base value {told['base_value']:.6f} and the contributions of "
        f"{len(told['inputs'])} inputs",
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


def _approval(told: dict) -> str:
    return people.approval(told["approver"], told["is_by_makers_account"])


def _leaf(line: str) -> Branch:
    return line, []
