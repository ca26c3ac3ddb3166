"""Targets from the models of other libraries."""
