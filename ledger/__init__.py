"""The durable sample ledger. Knows nothing of the rest."""
