"""The heart: rounds, statistics, verdicts, the journal and the leases."""
