"""The policies in force: pairs of a policy's meaning and its value with unit."""

from collections.abc import Iterable

from docsite.blocks import Facts, Missing, Text, node
from docsite.reading import Reading


def facts(reading: Reading, names: Iterable[str]) -> list[object]:
    """Blocks that show some policies and their source."""
    policy = {
        row["name"].value: row
        for row in reading.cited("reference.policy", {"unit": "unit", "description": "description"}, key=["name"])
    }
    in_force = reading.cited("intermediate.int_policy", {name: name for name in names if name in policy})
    if not in_force:
        return [Missing("No run has recorded the policy in force yet.")]
    pairs = [
        (
            policy[name]["description"].value,
            [value, " ", policy[name]["unit"]] if value.value is not None else "not set",
        )
        for name, value in in_force[0].items()
    ]
    source: list[object] = [
        "As of the last run: ",
        node("policy", kind="seed"),
        "; values that the lender landed in ",
    ]
    return [Facts(pairs), Text([*source, "policy_overrides take precedence (", node("stg_policy_overrides"), ")."])]
