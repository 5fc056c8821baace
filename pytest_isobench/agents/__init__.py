"""What makes the patches; the contract is in `base`."""
