"""Leaderboards and the arrays that are submitted to them."""
