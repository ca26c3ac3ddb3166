"""The attack: directions, starts, aims, step rules and plans, and what composes them."""
