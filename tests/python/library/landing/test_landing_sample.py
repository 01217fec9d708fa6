from pathlib import Path

from nightbook.landing.contract import TABLES
from nightbook.landing.sample import write_sample

SEEDS = Path(__file__).parents[4] / "seeds" / "raw"


def test_the_seeds_are_what_the_generator_writes(tmp_path):
    write_sample(tmp_path)
    for table in TABLES:
        again = (tmp_path / f"{table}.csv").read_bytes()
        assert (SEEDS / f"{table}.csv").read_bytes() == again, f"run python -m nightbook.landing.sample {SEEDS}"


def test_the_seeds_are_small_and_in_contract_order():
    assert sum((SEEDS / f"{table}.csv").stat().st_size for table in TABLES) < 1_900_000
    for name, table in TABLES.items():
        assert (SEEDS / f"{name}.csv").read_text().splitlines()[0] == ",".join(table.columns)


def test_the_seeds_hold_something_to_learn_from():
    assert len((SEEDS / "default_events.csv").read_text().splitlines()) > 40
