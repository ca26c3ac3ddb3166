"""Adversarial training from a YAML file."""
