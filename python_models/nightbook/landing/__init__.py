"""Land a lender's data: synthetic, the UCI Taiwan card data, or a folder of files."""

from nightbook.landing.files import land_files
from nightbook.landing.store import Load
from nightbook.landing.synthetic import land_synthetic
from nightbook.landing.uci_taiwan import land_uci_taiwan

__all__ = ["Load", "land_files", "land_synthetic", "land_uci_taiwan"]
