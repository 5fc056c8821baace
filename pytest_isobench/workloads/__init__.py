"""What is run and timed; the contract is in `base`."""
