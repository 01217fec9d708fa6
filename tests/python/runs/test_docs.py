"""The documentation site: every figure is what its source says, every link works, nothing is out of date."""

import hashlib
import json
import os
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import mlflow
import pytest
from nightbook.registry import model_versions
from nightbook.scoring import inference
from sklearn.metrics import roc_auc_score

from docsite.build import every_page
from docsite.cited import plain
from docsite.pages import models
from docsite.reading import Reading
from docsite.rendering import write
from tests.python import recorded
from tests.python.copies import copy_store, copy_warehouse

from .conftest import ROOT, Home, at_home, ok, once, refused
from .site_reading import broken_links, read

MODELS = ("account_pd", "application_pd")
OF_ALL = ("index", "monitoring", "provisions", "fairness", "lineage", "expectations")
PAGES = {*OF_ALL, *(f"models/{name}" for name in MODELS)}
SECTIONS = set(
    [
        "purpose",
        "population",
        "data",
        "inputs",
        "candidates",
        "holdout",
        "calibration",
        "distribution",
        "importance",
        "dependence",
        "monotonicity",
        "segments",
        "stability",
        "limitations",
        "changes",
    ]
)


@contextmanager
def reading(home: Home, manifest: dict) -> Iterator[Reading]:
    """What pages read of a home, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("NIGHTBOOK_", "MLFLOW_TRACKING"))]:
            patch.delenv(name)
        for name, value in {"NIGHTBOOK_HOME": str(home.path), "MLFLOW_TRACKING_URI": home.registry}.items():
            if value:
                patch.setenv(name, value)
        patch.chdir(ROOT)
        with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
            yield Reading(connection, manifest)


def manifest_of(home: Home) -> dict:
    """The manifest of the home's last run, with the same docs blocks and nodes as dbt's docs."""
    return json.loads((home.path / "target" / "manifest.json").read_text())


def nodes(manifest: dict) -> set[str]:
    return {*manifest["nodes"], *manifest["exposures"], *manifest["sources"]}


@pytest.fixture(scope="session")
def site(demo, tmp_path_factory) -> Path:
    """The demo's site, written by the command on a copy of the demo's warehouse. Other tests read the original."""
    whole = demo[0].path

    def make(folder: Path) -> None:
        copy_warehouse(whole, folder)
        home = Home(folder, registry=f"sqlite:///{whole / 'mlflow.db'}")
        (folder / "said.txt").write_text(ok(home.run("docs")).stdout)

    return once(tmp_path_factory, "docs", make) / "docs"


def test_it_is_whole_and_every_link_and_picture_leads_somewhere(demo, site, tmp_path):
    said = (site.parent / "said.txt").read_text()
    assert said.startswith(f"{len(PAGES)} pages and dbt's docs in ") and said.endswith("docs/index.html\n")
    found = {file.relative_to(site).with_suffix("").as_posix() for file in site.rglob("*.html")} - {"dbt/index"}
    assert found == PAGES
    assert not list(site.parent.glob(".docs*")), "what it was built in is left"
    assert broken_links(site, nodes(manifest_of(demo[0]))) == []
    for picture in site.rglob("*.svg"):
        assert ET.parse(picture).getroot().tag.endswith("svg")
    assert len(list(site.rglob("*.svg"))) > 20
    told = (site / "index.html").read_text()
    assert "<code>python orchestrate.py docs</code>" in told and "&lt;" not in told
    # The first page links to each page.
    assert {f"{name}.html" for name in PAGES} <= set(read(site / "index.html").links)

    for file in ("index.html", "style.css"):
        (tmp_path / file).write_bytes((site / file).read_bytes())
    (tmp_path / "index.html").write_text(
        '<a href="https://a.example/x"><img src="images/none.svg"></a><a href="#none"></a>'
        '<a href="dbt/index.html#!/model/model.nightbook.none"></a>'
    )
    assert len(broken_links(tmp_path, set())) == 4


def test_dbt_s_docs_lead_back_and_ask_no_server_for_anything(site):
    docs = (site / "dbt" / "index.html").read_text()
    assert "[overview](../index.html)" in docs and "model.nightbook.fct_account_scores" in docs
    asks = r"""<(?:link|script|img|use)\b[^>]*?\s(?:href|src|xlink:href)=\\?["']([^"'#][^"']*)["']"""
    assert [asked for asked in re.findall(asks, docs) if not asked.startswith("data:")] == []
    assert re.findall(asks, '<use xlink:href="{{ getIcon(item.type) }}"></use>') == ["{{ getIcon(item.type) }}"]


def test_every_figure_is_what_its_source_says(demo, site):
    home, _ = demo
    found = {figure for file in site.rglob("*.html") if file.parent.name != "dbt" for figure in read(file).figures}
    kinds = Counter(re.match(r"select|mlflow|computed", source)[0] for source, *_ in found)
    # The registry gives only what nothing else has: metrics of training runs, and the places of their artifacts.
    assert kinds["mlflow"] > 20 and kinds["computed"] > 500 and kinds["select"] > 5000, kinds
    client = mlflow.MlflowClient(f"sqlite:///{home.path / 'mlflow.db'}")
    runs = {}
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        for source, value, shown in sorted(found):
            assert shown, source
            if source.startswith("select"):
                assert [plain(*row) for row in connection.execute(source).fetchall()] == [value], source
            elif of_run := re.fullmatch(r"mlflow:/runs/(\w+)/metrics/(\w+)", source):
                if of_run[1] not in runs:
                    runs[of_run[1]] = client.get_run(of_run[1]).data.metrics
                assert runs[of_run[1]][of_run[2]] == float(value), source


@pytest.mark.parametrize("name", MODELS)
def test_no_number_of_a_model_goes_without_its_source(site, name):
    page = read(site / "models" / f"{name}.html")
    assert page.bare == [] and page.missing == []
    assert len({source for source, *_ in page.figures}) > 400
    assert page.anchors >= SECTIONS


def test_what_the_site_computes_itself_others_compute_alike(demo, site):
    home, _ = demo
    shown = {source: float(value) for source, value, _ in read(site / "models" / "account_pd.html").figures
             if source.startswith("computed")}  # fmt: skip
    cases = home.query(
        """
        select terms.product, scores.candidate_pd, scores.is_default
        from training.holdout_scores as scores
        left join intermediate.int_account_terms as terms
            on scores.entity_id = terms.account_id and scores.as_of_date >= terms.known_from
            and scores.as_of_date < terms.known_before
        where scores.model_name = 'account_pd' and scores.split = 'holdout'
        """
    )
    for product in ("personal_loan", "credit_line"):
        told = f"computed: holdout_scores of account_pd, candidate_pd where product is {product}: "
        pd, label = zip(*(case[1:] for case in cases if case[0] == product), strict=True)
        assert shown[told + "cases"] == len(pd) and shown[told + "defaults"] == sum(label)
        assert shown[told + "AUC value"] == pytest.approx(roc_auc_score(label, pd), abs=1e-9)
        assert shown[told + "mean PD"] == pytest.approx(sum(pd) / len(pd), abs=1e-9)
    for low, high, grade in ((0.0, 0.005, "A"), (0.16, 0.32, "G")):
        told = f"computed: holdout_scores of account_pd, candidate_pd in grade {grade}: "
        label = [case[2] for case in cases if low <= case[1] < high]
        assert (shown[told + "cases"], shown[told + "defaults"]) == (len(label), sum(label))
        assert shown[told + "default rate"] == pytest.approx(sum(label) / len(label))


def test_without_a_champion_or_a_run_pages_say_so(demo, tmp_path):
    manifest = manifest_of(demo[0])
    unregistered = Home(demo[0].path, registry=f"sqlite:///{tmp_path / 'none.db'}")
    with reading(unregistered, manifest) as read_from:
        write(list(models.pages(read_from)), tmp_path / "unregistered")
    for name in MODELS:
        page = read(tmp_path / "unregistered" / "models" / f"{name}.html")
        assert any(f"{name} has no champion" in told for told in page.missing)

    duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()
    folder = tmp_path / "empty"
    with reading(Home(tmp_path, registry=unregistered.registry), manifest) as read_from:
        write(list(every_page(read_from)), folder)
    (folder / "dbt").mkdir()
    (folder / "dbt" / "index.html").touch()
    assert broken_links(folder, nodes(manifest)) == []
    for name in PAGES - {"expectations"}:
        assert read(folder / f"{name}.html").missing, name


def figures(home: Home, manifest: dict, folder: Path) -> dict[str, str]:
    """Source -> value of every figure on the page of application_pd."""
    with reading(home, manifest) as read_from:
        write([models.page(read_from, "application_pd")], folder)
    page = read(folder / "models" / "application_pd.html")
    return {source: value for source, value, _ in page.figures} | {"missing": " ".join(page.missing)}


def test_a_page_follows_its_figures_and_its_model(demo, tmp_path):
    """A figure is changed in the warehouse, and the champion is another one with fewer trees and another approval."""
    whole = demo[0]
    home = Home(tmp_path)
    copy_warehouse(whole.path, tmp_path)
    copy_store(whole.path, tmp_path)
    manifest = manifest_of(whole)
    before = figures(home, manifest, tmp_path / "before")

    auc = "select value from training.gate_measurements where model_name = 'application_pd' and metric = 'auc'"
    home.execute("update training.gate_measurements set value = value - 0.01 where metric = 'auc'")
    after = figures(home, manifest, tmp_path / "after")
    assert float(after[auc]) == pytest.approx(float(before[auc]) - 0.01)
    assert {source for source in before if before[source] != after[source]} == {auc}

    with reading(home, manifest):
        champion = model_versions.load("application_pd", 1)
        booster = inference.load_booster(champion.booster_bytes, champion.digest)
        fewer = bytes(booster[: booster.num_boosted_rounds() // 2].save_raw("ubj"))
        digest = hashlib.sha256(fewer).hexdigest()
        metadata = champion.metadata | {"digest": digest, "metrics": champion.metadata["metrics"] | {"train_rows": 7}}
        tags = {"maker": "ada", "run_id": "r2", "git_commit": "c2"}
        run = model_versions.log_candidate("application_pd", fewer, metadata, tags=tags, metrics={"train_rows": 7.0})
        version = model_versions.register("application_pd", run, maker="ada", run_id="r2")["model_version"]
    with at_home(home), duckdb.connect(str(home.path / "warehouse.duckdb")) as connection:
        recorded.put_on_record(connection, "application_pd", version)
    names = ("--approver", "grace", "--change-request", "CR-2")
    ok(home.run("approve", "application_pd", "--version", str(version), *names))
    changed = figures(home, manifest, tmp_path / "changed")
    assert changed[f"mlflow:/runs/{run}/metrics/train_rows"] == "7"
    of_model = "where model_name = 'application_pd' and"
    assert changed[f"select approver from audit.fct_model_versions {of_model} model_version = {version}"] == "grace"
    assert changed[f"select change_request from audit.fct_promotions {of_model} sequence = 2"] == "CR-2"
    gains = [source for source in before if source.startswith("computed: total_gain")]
    assert len(gains) > 40 and sum(changed[source] != before[source] for source in gains) > 30
    # The last training did not measure this version.
    assert auc not in changed and "This version became champion after the last training" in changed["missing"]
    # The last night was scored by the version before.
    assert "No night has been scored with this version yet" in changed["missing"]
    of_night = ("monitoring.fct_score_drift", "monitoring.fct_feature_psi", "marts.fct_application_scores")
    assert all(any(relation in source for source in before) for relation in of_night)
    assert not [source for source in changed if any(relation in source for relation in of_night)]


def test_it_replaces_a_site_and_nothing_else(tmp_path):
    home, own = Home(tmp_path), tmp_path / "own"
    assert "land data first" in refused(home.run("docs"))
    duckdb.connect(str(tmp_path / "warehouse.duckdb")).close()
    own.mkdir()
    (own / "thesis.txt").touch()
    assert "is not a documentation site" in refused(home.run("docs", "--to", str(own)))
    assert [path.name for path in own.iterdir()] == ["thesis.txt"]
