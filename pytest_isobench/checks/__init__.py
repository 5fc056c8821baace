"""Correctness beyond the workload's own answers."""
