"""Check whether a GPU computes the attack as the CPU does."""

from daa.cli import options
from daa.cli.main import command


@command
def main(arguments: list[str] | None = None) -> int:
    parser = options.parser(__doc__, "check --device gpu")
    options.add_device(parser)
    args = parser.parse_args(arguments)
    options.start_tensorflow(args.device)
    import numpy as np

    from daa import targets
    from daa.evaluation.device_check import check_device
    from daa.targets.family import he_normal

    # MadryLab's MNIST architecture with random weights, which need no download.
    row = targets.row("madry_mnist/secret")
    arrays = he_normal(np.random.default_rng(0), row.model.variables)
    target = row.model.target("madry_mnist/random", arrays)
    rng = np.random.default_rng(0)
    x = rng.random((200, *target.image_shape), dtype=np.float32)
    checks = check_device(target, x, rng.integers(0, 10, 200), row.eps)
    print(*checks, sep="\n")
    return 1 if any(check.passed is False for check in checks) else 0
