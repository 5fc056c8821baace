"""Other people's data sets become task files: read in every shape, joined by commit, and reduced to facts."""
