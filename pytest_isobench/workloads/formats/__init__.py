"""The ways in which scripts and suites report their times; the contract is in `base`."""
