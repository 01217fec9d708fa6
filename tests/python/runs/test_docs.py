"""The documentation site: every figure is what its source says, every link leads somewhere, and nothing is out of date."""

import json
import os
import re
import sqlite3
import xml.etree.ElementTree as ET
from pathlib import Path

import duckdb
import mlflow
import pytest
from docsite.build import every_page
from docsite.cited import plain
from docsite.reading import Reading
from docsite.rendering import write
from nightbook import metrics, mlflow_store, registry
from sklearn.metrics import roc_auc_score

from .conftest import ROOT, Home, ok, refused
from .site_reading import broken_links, read

MODELS = ("account_pd", "application_pd")
PAGES = {"index", "monitoring", "provisions", "fairness", "lineage", "expectations", *(f"models/{name}" for name in MODELS)}


def pages(home: Home, folder: Path, registry_uri: str | None = None) -> Path:
    """The pages of a home without dbt's docs, whose manifest the home's last run has left, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("NIGHTBOOK_", "MLFLOW_TRACKING"))]:
            patch.delenv(name)
        patch.setenv("NIGHTBOOK_HOME", str(home.path))
        if registry_uri:
            patch.setenv("MLFLOW_TRACKING_URI", registry_uri)
        patch.chdir(ROOT)
        manifest = json.loads((home.path / "target" / "manifest.json").read_text())
        with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
            write(list(every_page(Reading(connection, manifest))), folder)
    (folder / "dbt").mkdir()
    (folder / "dbt" / "index.html").touch()
    return folder


def nodes(home: Home) -> set[str]:
    manifest = json.loads((home.path / "target" / "manifest.json").read_text())
    return {*manifest["nodes"], *manifest["exposures"], *manifest["sources"]}


@pytest.fixture(scope="module")
def site(demo, tmp_path_factory) -> Path:
    return pages(demo[0], tmp_path_factory.mktemp("site"))


def test_every_page_is_there_and_every_link_and_picture_too(demo, site, tmp_path):
    found = {file.relative_to(site).with_suffix("").as_posix() for file in site.rglob("*.html")} - {"dbt/index"}
    assert found == PAGES
    assert broken_links(site, nodes(demo[0])) == []
    for picture in site.rglob("*.svg"):
        assert ET.parse(picture).getroot().tag.endswith("svg")
    assert len(list(site.rglob("*.svg"))) > 20
    # Each page is reached from the first one.
    assert {f"{name}.html" for name in PAGES} <= set(read(site / "index.html").links)

    for file in ("index.html", "style.css"):
        (tmp_path / file).write_bytes((site / file).read_bytes())
    (tmp_path / "index.html").write_text('<a href="https://a.example/x"><img src="images/none.svg"></a><a href="#none"></a>')
    assert len(broken_links(tmp_path, set())) == 3


def test_every_figure_is_what_its_source_says(demo, site):
    home, _ = demo
    kinds = {"select": 0, "mlflow": 0, "computed": 0}
    client = mlflow.MlflowClient(f"sqlite:///{home.path / 'mlflow.db'}")
    runs = {}
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        for file in sorted(site.rglob("*.html")):
            for source, value, shown in read(file).figures if file.parent.name != "dbt" else ():
                kind = re.match(r"select|mlflow|computed", source)[0]
                kinds[kind] += 1
                assert shown, (file, source)
                if kind == "select":
                    assert [plain(*row) for row in connection.execute(source).fetchall()] == [value], (file, source)
                elif found := re.fullmatch(r"mlflow:/runs/(\w+)/metrics/(\w+)", source):
                    run = runs.setdefault(found[1], client.get_run(found[1]).data.metrics)
                    assert run[found[2]] == float(value), source
                elif found := re.fullmatch(r"mlflow:/models/(\w+)/(versions|promotions)/(\d+)#(\w+)", source):
                    relation, key = {
                        "versions": ("fct_model_versions", "model_version"), "promotions": ("fct_promotions", "sequence")
                    }[found[2]]  # fmt: skip
                    mirrored = connection.execute(
                        f"select {found[4]} from audit.{relation} where model_name = ? and {key} = ?", [found[1], found[3]]
                    ).fetchone()
                    assert plain(*mirrored) == value, source
    assert min(kinds.values()) > 100, kinds


@pytest.mark.parametrize("name", MODELS)
def test_no_number_of_a_model_goes_without_its_source(site, name):
    page = read(site / "models" / f"{name}.html")
    assert page.bare == [] and page.missing == []
    assert len({source for source, *_ in page.figures}) > 400
    sections = {"purpose", "population", "data", "inputs", "candidates", "holdout", "calibration", "distribution", "importance",
                "dependence", "monotonicity", "segments", "stability", "limitations", "changes"}  # fmt: skip
    assert sections <= page.anchors


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


def test_without_a_champion_and_without_a_warehouse_pages_say_so(demo, tmp_path):
    home, _ = demo
    folder = pages(home, tmp_path / "site", f"sqlite:///{tmp_path / 'none.db'}")
    assert broken_links(folder, nodes(home)) == []
    for name in MODELS:
        assert any(f"{name} has no champion" in told for told in read(folder / "models" / f"{name}.html").missing)
    empty = tmp_path / "empty"
    (empty / "target").mkdir(parents=True)
    (empty / "target" / "manifest.json").symlink_to(home.path / "target" / "manifest.json")
    duckdb.connect(str(empty / "warehouse.duckdb")).close()
    folder = pages(Home(empty), tmp_path / "bare", f"sqlite:///{tmp_path / 'none.db'}")
    assert broken_links(folder, nodes(home)) == []
    for name in ("index", "monitoring", "provisions", "fairness", "lineage", *(f"models/{name}" for name in MODELS)):
        assert read(folder / f"{name}.html").missing, name
