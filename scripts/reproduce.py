"""Run an experiment; write its records, tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from daa.experiments import console, device, provenance, run, setup
from daa.experiments.ray import on_ray
from daa.target import Precision


def main(arguments: list[str] | None = None) -> None:
    parser = console.parser(__doc__, "reproduce quickstart --restarts 1")
    parser.add_argument("config", help="YAML file, or the name of one, as robust_mnist")
    console.add_folders(parser)
    parser.add_argument("--target", help="instead of the config's, as madry_mnist/surrogate")
    parser.add_argument("--precision", choices=get_args(Precision), help="of the gradients")
    parser.add_argument("--images", type=console.positive, help="attack only the first IMAGES")
    parser.add_argument("--restarts", type=console.positive, help="instead of the config's")
    parser.add_argument("--seed", type=console.whole, help="instead of the config's")
    console.add_engine(parser)
    parser.add_argument("--out", type=Path, default=Path("results"), help="default: results")
    parser.add_argument("--force", action="store_true", help="start anew; overwrite results")
    args = parser.parse_args(arguments)

    # Asked for now, as a commit made during the run is not the code that runs.
    provenance.git_commit()
    console.start_tensorflow()
    device.use(args.device)
    ready = setup.prepare(
        console.find_config(args.config),
        args.out,
        target=args.target,
        precision=args.precision,
        images=args.images,
        restarts=args.restarts,
        seed=args.seed,
        data_dir=args.data_dir,
        model_dir=args.model_dir,
        here=args.engine == "local" or not args.address,
    )
    jit = {"auto": None, "on": True, "off": False}[args.jit]
    engine = None
    if args.engine == "ray":
        engine = on_ray(
            ready.load,
            ready.target.weights_sha256,
            ready.data.x,
            ready.data.y,
            jit=jit,
            address=args.address,
            cpus_per_unit=args.cpus_per_unit,
        )
    run.reproduce(ready, engine=engine, jit=jit, force=args.force)


if __name__ == "__main__":
    raise SystemExit(console.run(main))
