"""Measurements of a checkout: speed, growth, ablation, AutoAttack, mutation testing."""
