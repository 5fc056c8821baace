"""Making the patches of many tasks before they are measured: plans, runs that can be cut off, and the import of earlier runs."""
