"""The `isobench` command: the door for what is not a test run."""
