"""The journal's independent verifier: trusts nothing but docs/journal-format.md.

It imports the standard library and asyncpg only (an import contract holds it to that), so that a
mistake of the writer is not repeated here.  It reads a database or an exported file, changes
neither, and says where the first broken row is and why.

    form.py       the canonical JSON form           checks.py    what one row must satisfy
    database.py   rows from PostgreSQL              exported.py  rows from an exported file
"""

from exchange.verifier.checks import Anchor
from exchange.verifier.database import verify_database
from exchange.verifier.exported import verify_file
from exchange.verifier.result import NoJournal, Result

__all__ = ["Anchor", "NoJournal", "Result", "verify_database", "verify_file"]
