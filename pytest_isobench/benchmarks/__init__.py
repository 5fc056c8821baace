"""Benchmarks of inference engines: which metrics their clients measure, and what can be believed of what they leave behind."""
