"""A SQLite store read without MLflow says what MLflow's client says of it."""

import re
import sqlite3
import sys

import pytest
from library_store import MODEL, new_model
from nightbook.errors import NightbookError
from nightbook.registry import mlflow_store, model_versions, store_reader

from tests.python.copies import copy_store


@pytest.fixture
def both(store):
    """The two readers of one store. It also has a deleted version, which neither may name."""
    name = new_model(store)
    mlflow_store.client().delete_model_version(name, "2")
    found = store_reader.reader()
    assert isinstance(found, store_reader._File)
    return found, store_reader._Client(), name


def test_both_readers_say_the_same(both, store):
    file, client, name = both
    assert file.model_names() == client.model_names()
    for model in (MODEL, name, "nobody"):
        assert file.versions(model) == client.versions(model)
        assert file.aliases(model) == client.aliases(model)
    assert file.aliases(MODEL) == {"champion": 1} and [one.number for one in file.versions(MODEL)][:2] == [1, 2]
    assert [one.number for one in file.versions(name)] == [1, 3]
    assert file.version_location(MODEL, 1) == client.version_location(MODEL, 1)
    for run in store.runs:
        assert file.run_tags(run) == client.run_tags(run) and file.run_tags(run)["maker"]
        assert file.run_location(run) == client.run_location(run)
        assert file.model_ids(run) == client.model_ids(run)
        [model] = file.model_ids(run)
        assert file.model_location(model) == client.model_location(model)


def test_neither_reader_makes_up_what_is_not_there(both):
    file, client, name = both
    for reader in (file, client):
        for ask in (
            lambda reader: reader.version_location(name, 2),
            lambda reader: reader.run_tags("0" * 32),
            lambda reader: reader.run_location("0" * 32),
            lambda reader: reader.model_location("m-0"),
        ):
            with pytest.raises(Exception, match="(?i)not found|no (account|model|run)"):
                ask(reader)


def test_an_alias_that_was_moved_by_hand_is_seen_at_once(both):
    file, _, name = both
    for version in (1, 3):
        mlflow_store.client().set_registered_model_alias(name, "champion", str(version))
        assert model_versions.champion_version(name) == version == file.aliases(name)["champion"]


def test_a_file_of_another_schema_goes_to_the_client(store, empty_home):
    """The client says what to do about it."""
    file = empty_home / "mlflow.db"
    copy_store(store.home, empty_home)
    assert isinstance(store_reader.reader(), store_reader._File)
    with sqlite3.connect(file) as database:
        database.execute("update alembic_version set version_num = 'another'")
    with pytest.raises(Exception, match="(?i)schema|revision"):
        store_reader.reader()


def test_a_locked_file_is_one_line(store, empty_home, monkeypatch):
    monkeypatch.setattr(mlflow_store, "_PATIENCE_SECONDS", 0.1)
    file = empty_home / "mlflow.db"
    copy_store(store.home, empty_home)
    found = store_reader.reader()
    with sqlite3.connect(file) as database:
        database.execute("begin exclusive")
        with pytest.raises(NightbookError, match=re.escape("mlflow.db does not answer: database is locked")):
            found.versions(MODEL)


def test_a_version_is_loaded_without_mlflow(store, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "mlflow"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert model_versions.load(MODEL, 1).digest == store.candidates[0].digest
    assert model_versions.champion_version(MODEL) == 1
