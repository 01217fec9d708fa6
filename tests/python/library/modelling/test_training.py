"""Training tables in, candidates out: checks, digests, selection, reference profile, loading."""

import hashlib
import json
import warnings
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from nightbook.errors import NightbookError
from nightbook.modelling import boosting, metrics, scorecard, training
from nightbook.modelling.boosting import FeatureSpec
from nightbook.modelling.training import TrainingSet
from nightbook.scoring import inference


def with_column(table, name, values):
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def changed(table, name, row, value):
    values = table[name].to_pylist()
    values[row] = value
    return table.set_column(table.column_names.index(name), name, pa.array(values, table[name].type))


# --- the training set ---


def test_arrays_follow_the_table(table, rows):
    split = np.array(table["split"].to_pylist())
    assert rows.matrix.dtype == np.float32 and rows.matrix.shape == (table.num_rows, 5)
    for name in training.SPLITS:
        assert np.array_equal(getattr(rows, name), split == name)
    assert rows.label.tolist() == table["is_default"].to_pylist()
    bureau = table["bureau_score"].to_pylist()
    column = rows.matrix[:, 4]
    assert np.array_equal(np.isnan(column), [value is None for value in bureau])
    assert column[~np.isnan(column)].tolist() == [float(np.float32(value)) for value in bureau if value is not None]
    assert rows.matrix[:, 1].tolist() == table["months_on_book"].to_pylist()


def test_columns_come_in_the_order_of_the_features_from_any_numeric_type(table):
    features = (FeatureSpec("inquiries"), FeatureSpec("flag"), FeatureSpec("amount"))
    flags = [row % 3 == 0 for row in range(table.num_rows)]
    amounts = [None if row % 7 == 0 else Decimal(row) / 100 for row in range(table.num_rows)]
    wide = table.append_column("flag", pa.array(flags))
    wide = wide.append_column("amount", pa.array(amounts, pa.decimal128(18, 2)))
    matrix = TrainingSet.from_arrow(wide, features).matrix
    assert matrix[:, 1].tolist() == [float(flag) for flag in flags]
    assert matrix[1, 2] == np.float32(0.01) and np.isnan(matrix[7, 2])


def test_small_validation_serves_twice_and_large_is_halved_by_customer(table, rows, features, monkeypatch):
    assert not rows.is_validation_halved and np.array_equal(rows.stopping, rows.validation)
    monkeypatch.setattr(training, "MIN_HALF_DEFAULTS", 10)
    # Pairs of rows share a customer, who is either in train or in validation.
    paired = with_column(table, "customer_id", [f"{table['split'][row]}{row // 40}" for row in range(table.num_rows)])
    halved = TrainingSet.from_arrow(paired, features)
    assert halved.is_validation_halved
    assert np.array_equal(halved.stopping ^ halved.calibration, halved.validation)
    customers = np.array(paired["customer_id"].to_pylist())
    assert not set(customers[halved.stopping]) & set(customers[halved.calibration])
    assert halved.stopping.sum() > 50 and halved.calibration.sum() > 50


def refused(table, features, message, **options):
    with pytest.raises(NightbookError, match=message) as caught:
        TrainingSet.from_arrow(table, features, **options)
    assert "\n" not in str(caught.value)


def test_customer_in_two_splits_is_refused_by_name(table, features):
    other = table["split"].to_pylist().index("holdout")
    refused(changed(table, "customer_id", other, "C000000"), features, "customer C000000 is in more than one split")


def test_repeated_key_is_refused(table, features):
    refused(changed(table, "entity_id", 1, "A000000"), features, "A000000 at 2024-01-31 occurs more than once")


@pytest.mark.parametrize("split", training.SPLITS)
def test_empty_split_is_refused(table, features, split):
    refused(table.filter(pc.not_equal(table["split"], split)), features, f"split {split} is empty")


@pytest.mark.parametrize("split", training.SPLITS)
@pytest.mark.parametrize("kept", [0, 1])
def test_absent_class_is_refused(table, features, split, kept):
    drop = pc.and_(pc.equal(table["split"], split), pc.not_equal(table["is_default"], kept))
    refused(table.filter(pc.invert(drop)), features, f"split {split} has .* two of each class")


def test_too_few_defaults_are_refused(table, features):
    refused(table, features, "defaults, fewer than 100000", min_defaults=100_000)


def test_bad_values_are_refused(table, features):
    refused(changed(table, "split", 5, "test"), features, "unknown split 'test'")
    refused(changed(table, "is_default", 5, 2), features, "other than 0 and 1")
    refused(changed(table, "split", 5, None), features, "split holds nulls")
    refused(with_column(table, "is_default", [0.5] * table.num_rows), features, "use an integer")
    refused(changed(table, "noise", 5, float("nan")), features, "feature noise: holds NaN or infinity")
    refused(changed(table, "noise", 5, float("inf")), features, "feature noise: holds NaN or infinity")
    refused(changed(table, "noise", 5, 1e39), features, "feature noise: holds NaN or infinity")


def test_bad_columns_are_refused(table, features):
    refused(table, (*features, FeatureSpec("missing_one")), "column missing_one is absent")
    refused(table.drop_columns(["customer_id"]), features, "column customer_id is absent")
    refused(table, (*features, FeatureSpec("entity_id")), "feature entity_id")
    refused(table, (*features, features[0]), "listed twice")
    refused(table, (), "no feature")
    text = table.append_column("text", table["entity_id"])
    refused(text, (FeatureSpec("text"),), "type string is not numeric")


def test_constant_features_are_refused_only_if_all_are(table, features):
    flat = table.append_column("flat", pa.array([1.0] * table.num_rows))
    flat = flat.append_column("void", pa.nulls(table.num_rows, pa.float64()))
    specs = (FeatureSpec("flat"), FeatureSpec("void"))
    refused(flat, specs, "every feature is constant")
    assert TrainingSet.from_arrow(flat, (*specs, *features)).matrix.shape[1] == 7
    flag = flat.append_column("known", pa.array([None if row % 2 else 1.0 for row in range(table.num_rows)]))
    TrainingSet.from_arrow(flag, (FeatureSpec("known"),))


# --- the digest ---


def test_digest_sees_values_and_not_their_storage(table):
    digest = training.data_digest(table)
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7, 0), table.slice(7, 900), table.slice(907)])
    assert training.data_digest(chunked) == digest
    assert training.data_digest(table.replace_schema_metadata({"made": "elsewhere"})) == digest
    padded = pa.concat_tables([table.slice(0, 13), table]).combine_chunks().slice(13)
    assert training.data_digest(padded) == digest
    for kind in (pa.large_string(), pa.string_view()):
        assert training.data_digest(table.set_column(0, "entity_id", table["entity_id"].cast(kind))) == digest
    assert training.data_digest(table.set_column(3, "split", table["split"].dictionary_encode())) == digest


def test_digest_ignores_bytes_under_nulls():
    mask = np.array([False, True, False])
    validity = pa.py_buffer(np.packbits(~mask, bitorder="little").tobytes())

    def column(hidden):
        return pa.Array.from_buffers(pa.float64(), 3, [validity, pa.py_buffer(np.array([1.0, hidden, 2.0]).tobytes())])

    assert training.data_digest(pa.table({"a": column(0.0)})) == training.data_digest(pa.table({"a": column(9.0)}))


def test_digest_sees_every_change(table):
    digests = [
        training.data_digest(each)
        for each in (
            table,
            table.slice(1),
            table.take([1, 0, *range(2, table.num_rows)]),
            table.rename_columns([*table.column_names[:-1], "renamed"]),
            table.select([*table.column_names[1:], table.column_names[0]]),
            changed(table, "noise", 3, 0.125),
            changed(table, "noise", 3, None),
            changed(table, "noise", 3, 0.0),
            changed(table, "split", 3, "holdout"),
            table.set_column(5, "months_on_book", table["months_on_book"].cast(pa.int32())),
        )
    ]
    assert len(set(digests)) == len(digests)


def test_digest_tells_where_strings_and_nulls_end():
    digests = [
        training.data_digest(pa.table({"a": pa.array(values, pa.string())}))
        for values in (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None], [None, "abc"], [None, None], [])
    ]
    assert len(set(digests)) == len(digests)


def test_digest_takes_every_type_of_a_warehouse():
    types = {"d": pa.decimal128(38, 2), "b": pa.bool_(), "t": pa.timestamp("us"), "f": pa.float32(), "i": pa.int8()}
    empty = pa.table({name: pa.nulls(3, kind) for name, kind in types.items()})
    full = pa.table({name: pa.array([1, 0, 1]).cast(kind) for name, kind in types.items()})
    assert training.data_digest(empty) != training.data_digest(full)
    assert training.data_digest(full.slice(1)) != training.data_digest(full.slice(0, 2))


# --- the candidate ---


def test_candidate_is_reproducible_on_any_number_of_threads(table, features, candidate):
    again = training.train(table, features, model_name="account_pd", threads=2)
    assert again.booster_bytes == candidate.booster_bytes
    ours, theirs = training.metadata(candidate), training.metadata(again)
    assert ours["params"].pop("nthread") == 1 and theirs["params"].pop("nthread") == 2
    assert ours == theirs


def test_candidate_says_what_it_is(table, rows, candidate):
    assert candidate.digest == hashlib.sha256(candidate.booster_bytes).hexdigest()
    assert candidate.data_digest == training.data_digest(table)
    assert candidate.features == rows.names and candidate.monotone == (1, -1, 1, 0, -1)
    figures = candidate.metrics
    assert figures["train_rows"] == rows.train.sum() and figures["holdout_defaults"] == rows.label[rows.holdout].sum()
    better = max(("boosted_trees", "random_forest"), key=lambda name: figures[f"validation_auc_{name}"])
    assert candidate.algorithm == better


def test_candidate_is_calibrated_and_ranks(rows, candidate):
    booster = inference.load_booster(candidate.booster_bytes, candidate.digest)
    pd, label = inference.predict_pd(booster, rows.matrix), rows.label
    assert pd[rows.validation].mean() == pytest.approx(label[rows.validation].mean(), abs=1e-5)
    assert metrics.auc(label[rows.holdout], pd[rows.holdout]) > 0.72
    assert metrics.log_loss(label[rows.validation], pd[rows.validation]) == pytest.approx(
        candidate.metrics[f"validation_log_loss_{candidate.algorithm}"], abs=1e-6
    )


def test_selection_prefers_auc_then_log_loss(table, features, rows, monkeypatch):
    def figures(boosted, forest):
        line = training.calibration.Calibration(1.0, 0.0)
        keys = ("auc", "log_loss", "calibration")
        return {
            "boosted_trees": dict(zip(keys, (*boosted, line), strict=True)),
            "random_forest": dict(zip(keys, (*forest, line), strict=True)),
        }

    for selection, expected in (
        (figures((0.7, 0.3), (0.71, 0.4)), "random_forest"),
        (figures((0.7, 0.3), (0.7, 0.2)), "random_forest"),
        (figures((0.7, 0.2), (0.7, 0.3)), "boosted_trees"),
    ):
        monkeypatch.setattr(training, "_selection", lambda *_, selection=selection: selection)
        got = training.train(table, features, model_name="account_pd", training_set=rows, threads=1)
        assert got.algorithm == expected
        assert got.params.get("num_parallel_tree", 1) == (200 if expected == "random_forest" else 1)


def test_fit_that_cannot_be_calibrated_drops_out(table, features, rows, candidate, monkeypatch):
    flat = boosting.fit_boosted(
        rows.matrix[rows.train],
        rows.label[rows.train],
        rows.matrix[rows.validation],
        rows.label[rows.validation],
        features,
        params={"gamma": 1e9},
        threads=1,
    )
    monkeypatch.setattr(boosting, "fit_boosted", lambda *_, **__: flat)
    got = training.train(table, features, model_name="account_pd", training_set=rows, threads=1)
    assert got.algorithm == "random_forest" and "validation_auc_boosted_trees" not in got.metrics
    monkeypatch.setattr(boosting, "fit_forest", lambda *_, **__: flat)
    with pytest.raises(NightbookError, match="does not vary"):
        training.train(table, features, model_name="account_pd", training_set=rows, threads=1)


def test_metadata_is_json_without_binary(candidate):
    plain = training.metadata(candidate)
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["digest"] == candidate.digest and plain["features"] == list(candidate.features)
    assert "booster_bytes" not in plain


def test_feature_called_score_is_refused(table):
    renamed = table.rename_columns({"noise": "score"})
    with pytest.raises(NightbookError, match="feature score"):
        training.train(renamed, (FeatureSpec("score"),), model_name="account_pd")


def test_load_checks_the_digest_first(candidate):
    tampered = bytearray(candidate.booster_bytes)
    tampered[-20] ^= 1
    with pytest.raises(NightbookError, match="SHA-256"):
        inference.load_booster(bytes(tampered), candidate.digest)
    junk = b"\x80\x04not a booster"
    with pytest.raises(NightbookError, match="not an XGBoost booster"):
        inference.load_booster(junk, hashlib.sha256(junk).hexdigest())


# --- the reference profile ---


def test_profile_adds_up_and_edges_are_stored_values(table, rows, candidate):
    assert set(candidate.reference) == {*rows.names, "score"}
    for name, profile in candidate.reference.items():
        edges = profile["edges"]
        assert len(profile["shares"]) == len(edges) + 1 <= 10
        assert edges == sorted(set(edges))
        assert sum(profile["shares"]) + profile["null_share"] == pytest.approx(1, abs=1e-12)
        if name != "score":
            assert set(edges) <= {float(value) for value in table[name].to_pylist() if value is not None}


def test_profile_counts_as_sql_would(table, rows, candidate):
    values = table["bureau_score"].filter(pa.array(rows.train)).to_pylist()
    profile = json.loads(json.dumps(candidate.reference["bureau_score"]))
    bounds = [-np.inf, *profile["edges"], np.inf]
    known = [value for value in values if value is not None]
    expected = [
        sum(low < value <= high for value in known) / len(values)
        for low, high in zip(bounds[:-1], bounds[1:], strict=True)
    ]
    assert profile["shares"] == expected
    assert profile["null_share"] == (len(values) - len(known)) / len(values)


def test_profile_of_the_score_is_of_the_calibrated_pd(rows, candidate):
    booster = inference.load_booster(candidate.booster_bytes, candidate.digest)
    pd = inference.predict_pd(booster, rows.matrix[rows.train])
    profile = candidate.reference["score"]
    assert profile["null_share"] == 0 and set(profile["edges"]) <= set(pd)
    assert profile["shares"] == (metrics.bin_counts(pd, profile["edges"]) / pd.size).tolist()


def test_profile_of_discrete_and_empty_features(table, rows):
    flags = [row % 2 for row in range(table.num_rows)]
    wide = table.append_column("flag", pa.array(flags))
    wide = wide.append_column("void", pa.nulls(table.num_rows, pa.float64()))
    specs = (FeatureSpec("flag"), FeatureSpec("void"))
    train = TrainingSet.from_arrow(wide, specs)
    profile = training.reference_profile(wide, train, np.full(train.train.sum(), 0.25))
    assert profile["flag"] == {"edges": [0.0, 1.0], "shares": [0.5, 0.5, 0.0], "null_share": 0.0}
    assert profile["void"] == {"edges": [], "shares": [0.0], "null_share": 1.0}
    assert profile["score"] == {"edges": [0.25], "shares": [1.0, 0.0], "null_share": 0.0}


# --- the benchmark ---


@pytest.fixture(scope="session")
def logistic(rows):
    return scorecard.fit_logistic(rows.matrix[rows.train], rows.label[rows.train], rows.names)


def test_benchmark_ranks_repeats_and_explains(rows, logistic):
    pd = logistic.pd(rows.matrix[rows.holdout])
    assert metrics.auc(rows.label[rows.holdout], pd) > 0.7
    train_matrix, train_label = rows.matrix[rows.train], rows.label[rows.train]
    again = scorecard.fit_logistic(train_matrix, train_label, rows.names)
    assert np.array_equal(again.pd(rows.matrix[rows.holdout]), pd)
    weights = again.coefficients()
    assert weights == logistic.coefficients()
    assert ("bureau_score", "missing") in {row[:2] for row in weights} and weights[-1][:2] == ("intercept", "")
    utilization = [weight for feature, _, weight in weights if feature == "utilization"]
    assert len(utilization) == 8 and utilization[-1] > utilization[0]
    assert weights[0][1].startswith("[-inf, ")


def test_benchmark_weights_add_up_to_its_pd(rows, logistic):
    """The listed bins are those that the model uses: for a row without missing values, the weights sum to its score."""
    row = rows.matrix[~np.isnan(rows.matrix).any(1)][0]
    weights = logistic.coefficients()
    total = weights[-1][2]
    for feature, bin_label, weight in weights[:-1]:
        if bin_label != "missing":
            low, high = (float(edge) for edge in bin_label.strip("[)").split(","))
            total += weight * (low <= row[rows.names.index(feature)] < high)
    assert logistic.pd(row[None, :])[0] == pytest.approx(1 / (1 + np.exp(-total)), abs=1e-6)


def test_benchmark_takes_constant_and_empty_columns_quietly(rows):
    void, flat = np.full((rows.label.size, 1), np.nan), np.ones((rows.label.size, 1))
    matrix = np.hstack([rows.matrix, void, flat]).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = scorecard.fit_logistic(matrix, rows.label, (*rows.names, "void", "flat"))
    assert np.all(np.isfinite(fitted.pd(matrix[:10])))
    assert len(fitted.coefficients()) == len({row[:2] for row in fitted.coefficients()})


def test_benchmark_thins_and_scores_in_chunks(rows, monkeypatch):
    whole = scorecard.fit_logistic(rows.matrix, rows.label, rows.names).pd(rows.matrix)
    monkeypatch.setattr(scorecard, "_CHUNK_ROWS", 700)
    assert np.array_equal(scorecard.fit_logistic(rows.matrix, rows.label, rows.names).pd(rows.matrix), whole)
    monkeypatch.setattr(scorecard, "MOST_ROWS", 1000)
    thinned = [scorecard.fit_logistic(rows.matrix, rows.label, rows.names).pd(rows.matrix) for _ in range(2)]
    assert np.array_equal(*thinned) and not np.array_equal(thinned[0], whole)
