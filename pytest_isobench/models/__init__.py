"""The records: everything that enters or leaves the program."""
