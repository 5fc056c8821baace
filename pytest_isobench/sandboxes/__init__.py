"""Places that hold the arms and run what must not be trusted; the contract is in `base`."""
