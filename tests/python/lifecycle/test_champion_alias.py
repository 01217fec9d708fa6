"""The alias against a simple model of it: a stack that approvals push on and rollbacks pop."""

from unittest import mock

import mlflow
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from lifecycle_store import APPROVER, new_model
from nightbook import home, registry
from nightbook.errors import NightbookError

NAMES = {"approver": APPROVER, "change_request": "CR-1"}


class Killed(BaseException):
    """The process dies after the promotion is recorded and before the alias moves."""


def is_killed_during(call, *arguments) -> bool:
    with mock.patch.object(mlflow.MlflowClient, "set_registered_model_alias", side_effect=Killed):
        try:
            call(*arguments, **NAMES)
        except Killed:
            return True
    return False


def alias(name: str) -> int | None:
    found = mlflow.MlflowClient(home.registry_uri()).get_registered_model(name).aliases.get("champion")
    return None if found is None else int(found)


def check(name: str, stack: list[int], moves: list[tuple[str, int, int | None]]) -> None:
    current = stack[-1] if stack else None
    assert registry.champion_version(name) == alias(name) == current
    found = registry.promotions(name)
    assert [(move.action, move.model_version, move.previous_version) for move in found] == moves
    assert [move.sequence for move in found] == list(range(1, len(moves) + 1))
    assert [version.model_version for version in registry.versions(name) if version.is_champion] == stack[-1:]


def test_back_once_and_twice_and_no_further(model_name):
    for version in (1, 2, 3):
        registry.approve(model_name, version, **NAMES)
    assert registry.rollback(model_name, **NAMES).model_version == 2
    assert registry.champion(model_name).version == 2
    assert registry.rollback(model_name, **NAMES).model_version == 1
    with pytest.raises(NightbookError, match="version 1 is its first champion: there is none to go back to$"):
        registry.rollback(model_name, **NAMES)
    assert registry.champion_version(model_name) == 1
    assert len(registry.promotions(model_name)) == 5


def test_first_champion_cannot_be_rolled_back(model_name):
    registry.approve(model_name, 2, **NAMES)
    with pytest.raises(NightbookError, match="version 2 is its first champion"):
        registry.rollback(model_name, **NAMES)
    assert registry.champion_version(model_name) == 2


def test_rolled_back_version_may_be_approved_again(model_name):
    for call in ("approve 1", "approve 2", "rollback", "approve 2", "rollback"):
        action, *version = call.split()
        getattr(registry, action)(model_name, *map(int, version), **NAMES)
    assert [move.model_version for move in registry.promotions(model_name)] == [1, 2, 1, 2, 1]
    with pytest.raises(NightbookError, match="version 1 is its first champion"):
        registry.rollback(model_name, **NAMES)


OPERATIONS = st.tuples(st.sampled_from([1, 2, 3, None, None]), st.booleans() | st.just(False))


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    # Without shrinking: each example talks to a database.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(operations=st.lists(OPERATIONS, min_size=3, max_size=9))
def test_any_sequence_follows_the_stack(store, operations):
    name = new_model(store)
    stack: list[int] = []
    moves: list[tuple[str, int, int | None]] = []
    for version, is_killed in operations:
        call, arguments = (registry.approve, (name, version)) if version else (registry.rollback, (name,))
        current = stack[-1] if stack else None
        if version == current or (version is None and len(stack) < 2):
            with pytest.raises(NightbookError):
                call(*arguments, **NAMES)
        else:
            moves.append(("approve", version, current) if version else ("rollback", stack[-2], current))
            if is_killed:
                assert is_killed_during(call, *arguments)
            else:
                call(*arguments, **NAMES)
                stack = [*stack, version] if version else stack[:-1]
        check(name, stack, moves)


def test_promotion_that_never_happened_leaves_the_version_open(model_name):
    registry.approve(model_name, 1, **NAMES)
    assert is_killed_during(registry.approve, model_name, 2)
    assert [version.approver for version in registry.versions(model_name)] == [APPROVER, None, None]


@pytest.mark.parametrize("by_hand", [1, 3])
def test_an_alias_moved_by_hand_scores_nothing(model_name, by_hand):
    for version in (1, 2):
        registry.approve(model_name, version, **NAMES)
    mlflow.MlflowClient(home.registry_uri()).set_registered_model_alias(model_name, "champion", str(by_hand))
    with pytest.raises(NightbookError, match=f"names version {by_hand}, which no recorded approval put there"):
        registry.champion(model_name)
    registry.approve(model_name, 2, **NAMES)
    assert registry.champion(model_name).version == 2
