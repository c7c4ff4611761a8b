"""The durable sample ledger. Knows nothing of the rest.

`Ledger` (ledger.py) keeps the states in SQLite and the payloads in Parquet segments (segments.py);
records.py names a record, its identity and the states it can be in.
"""

from ledger.ledger import Ledger
from ledger.records import LedgerError, Record, sample_id

__all__ = ["Ledger", "LedgerError", "Record", "sample_id"]
