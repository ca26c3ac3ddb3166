"""The norms of attacks: modules with the functions that `daa.attacks.ball` documents."""

from types import ModuleType

from daa.attacks import ball, ball_l2

Ball = ModuleType
LINF: Ball = ball
BALLS: dict[str, Ball] = {"linf": ball, "l2": ball_l2}
