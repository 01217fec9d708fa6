"""Land a lender's data: synthetic, the UCI Taiwan card data, or a folder of files."""

from nightbook.landing.store import Load
from nightbook.landing.synthetic import land_synthetic

__all__ = ["Load", "land_synthetic"]
