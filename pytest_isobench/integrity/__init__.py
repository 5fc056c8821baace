"""What a patch must not do, and how it is seen."""
