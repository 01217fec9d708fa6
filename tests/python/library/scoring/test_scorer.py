"""Scores, digests, explanations and profiles of real boosters on a DuckDB relation."""

import hashlib
import struct
import tracemalloc
from datetime import date

import numpy as np
import pyarrow as pa
import pytest
from library_store import APPROVER, MODEL, SPECS, as_chosen, book
from nightbook.engine import frames
from nightbook.errors import NightbookError
from nightbook.modelling import boosting
from nightbook.registry import model_versions
from nightbook.scoring import challenger_scores, inference, scorer
from runner import promotions

KEY = "account_id"


def scored(model, relation) -> pa.Table:
    return pa.Table.from_batches(list(scorer.score(model, relation, KEY)), schema=scorer.score_schema(KEY))


def explained(model, relation) -> pa.Table:
    return pa.Table.from_batches(list(scorer.explain(model, relation, KEY)), schema=scorer.contribution_schema(KEY))


def test_scores_are_the_boosters_own(accounts, champion, matrix):
    found = scored(champion, accounts)
    assert found.schema == scorer.score_schema(KEY)
    booster = inference.load_booster(champion.booster_bytes, champion.digest)
    assert found["pd"].to_numpy().tobytes() == inference.predict_pd(booster, matrix).tobytes()
    assert found["margin"].to_numpy().tobytes() == boosting.predict_margin(booster, matrix).tobytes()
    pd, margin = found["pd"].to_numpy(), found["margin"].to_numpy()
    assert np.all((pd > 0) & (pd < 1))
    np.testing.assert_allclose(pd, 1 / (1 + np.exp(-margin)), atol=1e-6)
    assert found[KEY].to_pylist() == [row[KEY] for row in frames.rows(accounts)]
    assert set(found["as_of_date"].to_pylist()) == {date(2024, 1, 31)}
    for column, value in (("model_name", MODEL), ("model_version", 1), ("model_digest", champion.digest)):
        assert set(found[column].to_pylist()) == {value}


@pytest.mark.parametrize("rows", [1, 7, 256])
def test_batches_do_not_show(monkeypatch, accounts, champion, rows):
    relation = accounts.limit(150)
    whole = list(scorer.score(champion, relation, KEY))
    reasons = explained(champion, relation)
    assert len(whole) == 1
    monkeypatch.setattr(frames, "BATCH_ROWS", rows)
    parts = list(scorer.score(champion, relation, KEY))
    assert len(parts) == -(-150 // rows)
    assert pa.Table.from_batches(parts).equals(pa.Table.from_batches(whole))
    assert explained(champion, relation).equals(reasons)


def test_row_alone_equals_the_row_in_a_batch(accounts, champion, forest):
    for model in (champion, forest):
        whole = {row[KEY]: row for row in scored(model, accounts).to_pylist()}
        for key in ("A000000", "A000123", "A_empty"):
            assert scored(model, accounts.filter(f"{KEY} = '{key}'")).to_pylist() == [whole[key]]


def test_threads_do_not_show(monkeypatch, accounts, champion, forest):
    for model in (champion, forest):
        monkeypatch.setenv("NIGHTBOOK_THREADS", "1")
        scores, reasons = scored(model, accounts), explained(model, accounts.limit(50))
        monkeypatch.setenv("NIGHTBOOK_THREADS", "2")
        assert scored(model, accounts).equals(scores)
        assert explained(model, accounts.limit(50)).equals(reasons)


def as_challenger(model, relation, key):
    return challenger_scores.score([as_chosen(model)], {model.model_name: (relation, key)})


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
@pytest.mark.parametrize("use", [scorer.score, scorer.explain, as_challenger])
def test_value_that_training_refuses_is_not_scored(accounts, champion, use, value):
    spoiled = accounts.project(
        f"* replace (case when {KEY} = 'A000123' then cast('{value}' as double) else utilization end as utilization)"
    )
    with pytest.raises(NightbookError, match="^feature utilization: holds NaN or infinity; store null for unknown"):
        list(use(champion, spoiled, KEY))


def test_nobody_to_score_gives_an_empty_relation(accounts, champion):
    nobody = accounts.filter("false")
    assert scored(champion, nobody).num_rows == 0
    assert explained(champion, nobody).num_rows == 0


def test_integer_keys_become_text(accounts, champion):
    numbered = accounts.limit(3).project(f"* exclude ({KEY}), cast(7 as bigint) as {KEY}")
    assert scored(champion, numbered)[KEY].to_pylist() == ["7"] * 3
    assert explained(champion, numbered)[KEY].to_pylist() == ["7"] * 3 * (len(SPECS) + 1)


def test_scores_come_from_the_version_chosen(connection, accounts):
    chosen = [
        as_chosen(model_versions.load(MODEL, 2)),
        {"model_name": "application_pd", "model_version": 5, "model_digest": "D5", "metadata_digest": "J5"},
    ]
    found = pa.Table.from_batches(list(scorer.scores(connection, chosen, MODEL, accounts, KEY)))
    assert found.equals(scored(model_versions.load(MODEL, 2), accounts))
    reasons = pa.Table.from_batches(list(scorer.contributions(connection, chosen, MODEL, accounts.limit(9), KEY)))
    assert reasons.equals(explained(model_versions.load(MODEL, 2), accounts.limit(9)))
    for exchanged in ({"model_digest": "D2"}, {"metadata_digest": "J2"}):
        for use in (scorer.scores, scorer.contributions):
            with pytest.raises(NightbookError, match="^account_pd version 2: its artifact was replaced during the run"):
                use(connection, [chosen[0] | exchanged], MODEL, accounts, KEY)
    assert list(scorer.scores(connection, [], MODEL, accounts, KEY)) == []
    assert list(scorer.contributions(connection, [], MODEL, accounts, KEY)) == []


def independent_digest(row) -> str:
    packed = b"".join(b"\x00\x00\xc0\x7f" if value is None else struct.pack("<f", float(value) + 0.0) for value in row)
    return hashlib.sha256(packed).hexdigest()[:32]


def test_digest_of_the_inputs_as_scored(accounts, champion):
    inputs = frames.rows(accounts)
    expected = [independent_digest([row[name] for name in champion.features]) for row in inputs]
    assert scored(champion, accounts)["feature_digest"].to_pylist() == expected


@pytest.mark.filterwarnings("ignore:invalid value")  # from the signalling NaN
def test_digest_knows_one_missing_value_and_one_zero():
    quiet = np.array([0x7FC00000, 0xFFC00001, 0x7F800001, 0x7FFFFFFF], dtype="<u4").view("<f4")
    digests = scorer.feature_digests(np.column_stack([quiet, np.ones(4, dtype=np.float32)]))
    assert set(digests) == {independent_digest([None, 1.0])}
    zeros = scorer.feature_digests(np.array([[0.0], [-0.0]], dtype=np.float32))
    assert set(zeros) == {independent_digest([0.0])}


def test_digest_changes_with_every_value_and_with_their_order():
    row = np.array([[1.5, np.nan, -0.0, 3.25]], dtype=np.float32)
    changed = [scorer.feature_digests(row)[0]]
    for column in range(4):
        other = row.copy()
        other[0, column] = np.float32(7) if np.isnan(row[0, column]) else np.nextafter(row[0, column], np.float32(99))
        changed.append(scorer.feature_digests(other)[0])
    changed.append(scorer.feature_digests(np.ascontiguousarray(row[:, [0, 1, 3, 2]]))[0])
    changed.append(scorer.feature_digests(row[:, :3])[0])
    assert len(set(changed)) == len(changed)
    fortran = np.asfortranarray(np.repeat(row, 3, axis=0))
    assert scorer.feature_digests(fortran) == [changed[0]] * 3


@pytest.mark.parametrize("algorithm", ["champion", "forest"])
def test_reasons_add_up_to_the_margin(request, accounts, algorithm):
    model = request.getfixturevalue(algorithm)
    names = [*model.features, scorer.BASE_VALUE]
    reasons, scores, inputs = explained(model, accounts), scored(model, accounts), frames.rows(accounts)
    assert reasons.schema == scorer.contribution_schema(KEY)
    assert reasons.num_rows == len(inputs) * len(names)
    contributions = reasons["contribution"].to_numpy().reshape(-1, len(names))
    np.testing.assert_allclose(contributions.sum(axis=1), scores["margin"].to_numpy(), atol=1e-4)
    assert np.ptp(contributions[:, -1]) == 0
    assert np.ptp(contributions[:, 0]) > 0.1
    assert np.all(contributions[:, names.index("never_landed")] == 0)
    found = iter(reasons.to_pylist())
    for row in inputs:
        for name in names:
            reason, value = next(found), row.get(name)
            assert (reason[KEY], reason["as_of_date"], reason["feature"]) == (row[KEY], row["as_of_date"], name)
            assert reason["value"] == (None if value is None else float(np.float32(float(value))))


def test_champions_are_chosen_once_and_checked(connection, store, model_name, accounts):
    nobody = accounts.filter("false")
    promotions.approve(model_name, 3, approver=APPROVER, change_request="CR-1")
    found = scorer.champions(book().record(), {MODEL: accounts, model_name: nobody, "application_pd": nobody})
    assert frames.records(connection, scorer.CHAMPION_SCHEMA, found).to_pylist() == found
    assert found == [
        as_chosen(model_versions.load(name, version)) | {"model_digest": candidate.digest, "mlflow_run_id": run}
        for name, version, candidate, run in (
            (MODEL, 1, store.candidates[0], store.runs[0]),
            (model_name, 3, store.candidates[2], store.runs[2]),
        )
    ]
    with pytest.raises(NightbookError, match="^application_pd has no champion: train it, then approve"):
        scorer.champions(book().record(), {MODEL: accounts, "application_pd": accounts})


def test_no_store_and_nobody_to_score(empty_home, accounts):
    assert scorer.champions(book().record(), {MODEL: accounts.filter("false")}) == []
    with pytest.raises(NightbookError, match="has no champion"):
        scorer.champions(book().record(), {MODEL: accounts})
    assert list(empty_home.iterdir()) == []


def test_profiles_bin_every_value_once(connection, portfolio, champion):
    rows = scorer.profiles([as_chosen(champion)])
    assert frames.records(connection, scorer.PROFILE_SCHEMA, rows).to_pylist() == rows
    features = {row["feature"] for row in rows}
    assert features == {spec.name for spec in SPECS} | {"score"}
    train = connection.from_arrow(portfolio).filter("split = 'train'")
    inputs = frames.table(train)
    values = {name: frames.doubles(inputs[name]) for name in features - {"score"}}
    booster = inference.load_booster(champion.booster_bytes, champion.digest)
    values["score"] = inference.predict_pd(booster, frames.matrix(inputs, champion.features))
    for feature in features:
        bins = [row for row in rows if row["feature"] == feature]
        assert [row["bin"] for row in bins] == list(range(-1, len(bins) - 1))
        missing, *known = bins
        assert missing["above"] is None and missing["up_to"] is None
        assert known[0]["above"] is None and known[-1]["up_to"] is None
        assert [row["up_to"] for row in known[:-1]] == [row["above"] for row in known[1:]]
        edges = [row["above"] for row in known[1:]]
        assert edges == sorted(set(edges))
        assert sum(row["share"] for row in bins) == pytest.approx(1, abs=1e-12)
        shares = [np.isnan(values[feature]).mean()]
        for row in known:
            low = -np.inf if row["above"] is None else row["above"]
            high = np.inf if row["up_to"] is None else row["up_to"]
            shares.append(np.mean((values[feature] > low) & (values[feature] <= high)))
        assert [row["share"] for row in bins] == pytest.approx(shares, abs=1e-12)
    by_feature = {name: sum(row["feature"] == name for row in rows) for name in features}
    assert by_feature["never_landed"] == 2 and by_feature["is_revolving"] == 4 and by_feature["score"] == 11
    assert by_feature["months_on_book"] == by_feature["balance"] == 11
    assert [row["share"] for row in rows if row["feature"] == "never_landed"] == [1.0, 0.0]
    assert scorer.profiles([]) == []


def many(connection, rows: int):
    names = ", ".join(f"cast((hash(range + {n}) % 1000) / 500.0 as double) as {s.name}" for n, s in enumerate(SPECS))
    return connection.sql(f"select range as {KEY}, date '2024-01-31' as as_of_date, {names} from range({rows})")


def peak_bytes(model, relation) -> tuple[int, int]:
    """The most bytes held at once while a scored stream is read and dropped, and the number of rows."""
    pool, rows, most = pa.default_memory_pool(), 0, 0
    before = pool.bytes_allocated()
    tracemalloc.start()
    for batch in scorer.score(model, relation, KEY):
        rows += batch.num_rows
        most = max(most, pool.bytes_allocated() - before)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak + most, rows


def test_memory_is_that_of_a_few_batches(connection, champion):
    one, rows = peak_bytes(champion, many(connection, frames.BATCH_ROWS))
    assert rows == frames.BATCH_ROWS
    five, rows = peak_bytes(champion, many(connection, 300_000))
    assert rows == 300_000
    assert five < 2 * one, f"{five / 1e6:.0f} MB for 300,000 rows, {one / 1e6:.0f} MB for one batch"


def test_source_is_read_as_scores_are_taken(connection, champion):
    produced = []
    schema = frames.table(many(connection, 1)).schema

    def source():
        for number in range(60):
            produced.append(number)
            yield from frames.table(many(connection.cursor(), 10_000)).combine_chunks().to_batches()

    reader = connection.from_arrow(pa.RecordBatchReader.from_batches(schema, source()))
    stream = scorer.score(champion, reader, KEY)
    assert produced == []
    first = next(stream).num_rows
    assert len(produced) < 40
    assert first + sum(batch.num_rows for batch in stream) == 600_000


@pytest.mark.parametrize("text", ["account_pd", "=3", "account_pd=", "account_pd=-1", "account_pd=²", "account_pd=٣"])
def test_pinned_versions_are_numbers_of_ascii(text):
    with pytest.raises(NightbookError, match="^NIGHTBOOK_VERSIONS is '.*': write MODEL=VERSION, separated by blanks$"):
        scorer.pinned_versions(text)
