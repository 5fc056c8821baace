"""Container images of tasks: the base tree and its environment, built once per content."""
