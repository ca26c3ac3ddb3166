"""Runs the experiments of the paper and writes a report with a verdict for each of its numbers."""
