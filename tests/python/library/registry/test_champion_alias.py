"""The champion against a simple model of it: a stack that approvals push to and rollbacks pop from."""

import itertools
from unittest import mock

import mlflow
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from library_store import APPROVER, book, new_model
from nightbook.engine import home
from nightbook.errors import NightbookError
from nightbook.registry import model_versions
from runner import promotions

_changes = itertools.count(1)


class Killed(BaseException):
    """The process dies after the promotion is recorded and before the alias moves."""


def approve(name: str, version: int, **names: str):
    return promotions.approve(name, version, **words(names))


def rollback(name: str, **names: str):
    return promotions.rollback(name, **words(names))


def words(names: dict[str, str]) -> dict[str, str]:
    """With a new change request unless one is given, because the same arguments are not a new promotion."""
    return {"approver": APPROVER, "change_request": f"CR-{next(_changes)}"} | names


def is_killed_during(call, *arguments, **names) -> bool:
    with mock.patch.object(mlflow.MlflowClient, "set_registered_model_alias", side_effect=Killed):
        try:
            call(*arguments, **names)
        except Killed:
            return True
    return False


def move_by_hand(name: str, version: int) -> None:
    mlflow.MlflowClient(home.registry_uri()).set_registered_model_alias(name, "champion", str(version))


def alias(name: str) -> int | None:
    found = mlflow.MlflowClient(home.registry_uri()).get_registered_model(name).aliases.get("champion")
    return None if found is None else int(found)


def check(name: str, stack: list[int], moves: list[tuple[str, int, int | None]]) -> None:
    record, current = book().record(), stack[-1] if stack else None
    assert record.champion_version(name) == model_versions.champion_version(name) == alias(name) == current
    found = record.moves(name)
    assert [(move.action, move.model_version, move.previous_version) for move in found] == moves
    assert [move.sequence for move in found] == list(range(1, len(moves) + 1))
    assert [version.model_version for version in record.versions_of(name) if version.is_champion] == stack[-1:]


def test_back_once_and_twice_and_no_further(model_name):
    for version in (1, 2, 3):
        approve(model_name, version)
    assert rollback(model_name).model_version == 2
    assert book().record().champion(model_name).version == 2
    assert rollback(model_name).model_version == 1
    with pytest.raises(
        NightbookError, match="version 1 is its first champion: there is no earlier one to roll back to$"
    ):
        rollback(model_name)
    assert model_versions.champion_version(model_name) == 1
    assert len(book().record().moves(model_name)) == 5


def test_first_champion_cannot_be_rolled_back(model_name):
    approve(model_name, 2)
    with pytest.raises(NightbookError, match="version 2 is its first champion"):
        rollback(model_name)
    assert model_versions.champion_version(model_name) == 2


def test_rolled_back_version_may_be_approved_again(model_name):
    for call in ("approve 1", "approve 2", "rollback", "approve 2", "rollback"):
        action, *version = call.split()
        globals()[action](model_name, *map(int, version))
    assert [move.model_version for move in book().record().moves(model_name)] == [1, 2, 1, 2, 1]
    with pytest.raises(NightbookError, match="version 1 is its first champion"):
        rollback(model_name)


def test_the_same_words_are_one_promotion(model_name):
    """A rollback that was killed after the alias had moved would, if repeated, go back twice."""
    for version in (1, 2, 3):
        approve(model_name, version)
    for _ in range(3):
        assert rollback(model_name, change_request="CR-B").model_version == 2
        assert approve(model_name, 3, change_request="CR-A").model_version == 3
        assert approve(model_name, 3, change_request="CR-A").sequence == len(book().record().moves(model_name))
    assert [move.model_version for move in book().record().moves(model_name)] == [1, 2, 3, 2, 3, 2, 3, 2, 3]


OPERATIONS = st.tuples(st.sampled_from([1, 2, 3, None, None]), st.booleans() | st.just(False))


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    # Without shrinking, because each example talks to a database.
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(operations=st.lists(OPERATIONS, min_size=3, max_size=9))
def test_any_sequence_follows_the_stack(store, operations):
    name = new_model(store)
    stack: list[int] = []
    moves: list[tuple[str, int, int | None]] = []
    for version, is_killed in operations:
        call, arguments = (approve, (name, version)) if version else (rollback, (name,))
        names = {"change_request": f"CR-{len(moves)}"}
        current = stack[-1] if stack else None
        if version == current or (version is None and len(stack) < 2):
            with pytest.raises(NightbookError):
                call(*arguments, **names)
        else:
            moves.append(("approve", version, current) if version else ("rollback", stack[-2], current))
            if is_killed:
                assert is_killed_during(call, *arguments, **names)
                with pytest.raises(NightbookError, match="was not carried out.* run the command again: python"):
                    book().record().champion(name)
            stack = [*stack, version] if version else stack[:-1]
            assert call(*arguments, **names).sequence == len(moves)
        check(name, stack, moves)


def test_what_was_not_carried_out_scores_nothing_until_it_is_said_again(model_name):
    approve(model_name, 1)
    assert is_killed_during(approve, model_name, 2, change_request="CR-X")
    with pytest.raises(NightbookError) as refused:
        book().record().champion(model_name)
    again = f"python orchestrate.py approve {model_name} --version 2 --approver bob --change-request CR-X"
    assert str(refused.value) == (
        f"{model_name}: the recorded approval of version 2 was not carried out, the alias champion names version 1: "
        f"run the command again: {again}"
    )
    # Another person's approval of another version continues from the record.
    assert approve(model_name, 3).previous_version == 2
    assert book().record().champion(model_name).version == 3


def test_a_promotion_of_an_earlier_version_that_never_happened_is_passed_over(model_name):
    """It was recorded, but the process died before the alias moved. The next one started from the version before."""
    approve(model_name, 1)
    assert is_killed_during(approve, model_name, 2)
    approve(model_name, 3)
    book().promotions[-1]["previous_version"] = 1
    assert [move.model_version for move in book().record().moves(model_name)] == [1, 3]
    book().promotions[-1]["previous_version"] = 2


@pytest.mark.parametrize(
    ("by_hand", "said"),
    [(1, "was not carried out, the alias champion names version 1"), (3, "no recorded approval put")],
)
def test_an_alias_moved_by_hand_scores_nothing(model_name, by_hand, said):
    for version in (1, 2):
        approve(model_name, version)
    move_by_hand(model_name, by_hand)
    with pytest.raises(NightbookError, match=said):
        book().record().champion(model_name)
    approve(model_name, 2)
    assert book().record().champion(model_name).version == 2
    assert rollback(model_name).model_version == 1


def test_an_alias_without_any_approval_scores_nothing(model_name):
    move_by_hand(model_name, 1)
    with pytest.raises(NightbookError, match="names version 1, which no recorded approval put there"):
        book().record().champion(model_name)
