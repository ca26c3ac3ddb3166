"""The configs and command lines of the equality check."""

import importlib.util
import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

BOTH = "fgsm rand_fgsm pgd mi_fgsm momentum blob dgf attraction apgd odi pcros square"
MORE = "apgd dlr, apgd_t dlr_targeted, apgd_t difference, multitargeted difference, "
MORE += "multitargeted xent, dgf dlr"
OPTIONS = """rand_fgsm rand_fgsm=tramer clip_start=true; pgd clip_start=true; pgd clip_range=false
pgd random_start=false; pgd targeted=least_likely; pgd precision=bfloat16; pgd restarts=standing
pgd step=geometric; pgd step=geometric first_step=1.0 last_step=0.05 momentum=0.75 keep=best
pgd step=halving rho=0.5; pgd momentum=0.9; pgd keep=best scale=0.1; pgd start=natural
pgd start=odi odi_steps=3 odi_step=0.5; pgd start=signs; pgd start=stripes; pgd start=pixels
fgsm targeted=least_likely; fgsm clip_range=false; mi_fgsm decay=0.5; momentum decay=0.9 scale=2.0
blob shuffle=never; blob formula=paper; blob formula=pytorch; blob c=2.0 random_start=false
blob step=geometric momentum=0.75 keep=best; blob precision=bfloat16; blob targeted=least_likely
dgf shuffle=never; dgf formula=paper; dgf formula=pytorch; dgf c=1.0 steps_per_shuffle=2
dgf restarts=standing loss=cw; attraction c=10.0; attraction shuffle=never; apgd rho=0.5
apgd_t nearest=3 restarts=standing; multitargeted nearest=2; odi odi_steps=1; pcros share=0.5
square side=0.3; square restarts=standing; adaptive budget=30.0; adaptive budget=30.0 seed=1"""

ATTACK = {"eps": 0.3, "step_size": 0.05, "steps": 10, "batch_size": 20, "steps_per_shuffle": 5}
SMALL = {"eps": "target", "step_size": "eps/3", "steps": 4, "batch_size": 8, "steps_per_shuffle": 2}
EVALUATE = "--budget 20 --images 40 --quiet --out evaluations"
CALLS = Path(__file__).resolve().with_name("calls.py")
OWN = "--data data.npz --eps 0.05"


def config(name: str, rows: list[dict], attack: dict, images: int, restarts: int) -> None:
    """Writes a config; JSON is YAML."""
    about = {"name": name, "title": name, "target": "locuslab/own_mnist", "attack": attack}
    text = json.dumps({**about, "images": images, "restarts": restarts, "rows": rows})
    Path(f"{name}.yaml").write_text(text, encoding="utf-8")


def configs() -> None:
    """Writes configs with all methods, losses and options, and small ones for other networks."""
    rows: list[dict] = [{"method": m, "loss": k} for m, k in product(BOTH.split(), ("xent", "cw"))]
    rows += [dict(zip(("method", "loss"), row.split(), strict=True)) for row in MORE.split(",")]
    for line in OPTIONS.replace("\n", ";").split(";"):
        method, *options = line.split()
        row = {"method": method, "name": line.strip().replace(" ", "-").replace("=", "_")}
        for key, value in (option.split("=") for option in options):
            plain = value[0].isdigit() or value in ("true", "false")
            row[key] = json.loads(value) if plain else value
        rows.append(row)
    config("methods", rows, ATTACK, images=50, restarts=2)
    few = [{"method": "pgd"}, {"method": "dgf", "loss": "cw"}, {"method": "pcros"}]
    few += [{"method": "blob", "precision": "bfloat16"}]
    config("networks", few, SMALL, images=20, restarts=1)
    config("adaptive30", [{"method": "adaptive", "budget": 30.0}], {"eps": "target"}, 100, 1)
    units = [{"method": "blob"}, {"method": "adaptive", "budget": 20.0}]
    config("units", [*units, {"method": "apgd", "restarts": "standing"}], ATTACK, 40, restarts=2)
    config("ray", units[:1], ATTACK, 40, restarts=2)
    recipe = {"target": "locuslab/own_mnist", "eps": 0.1, "step_size": 0.05, "steps": 3}
    recipe |= {"epochs": 3, "batch_size": 20, "learning_rate": 0.003, "holdout": 100, "ramp": 0.5}
    Path("train.yaml").write_text(json.dumps(recipe), encoding="utf-8")


def commands() -> Iterator[tuple[str, str]]:
    """Names and commands in order; all commands run in one folder."""
    yield "fixtures", f"{CALLS} fixtures"
    go = "scripts/reproduce.py {}.yaml --quiet --out results"
    yield "methods", go.format("methods")
    for name in ("fmnist/surrogate", "madry_cifar10/surrogate", "madry_mnist/surrogate"):
        yield f"networks {name}", f"{go.format('networks')} --target {name}"
    for name in ("locuslab/own_mnist", "locuslab/fast_pgd_mnist", "fmnist/surrogate"):
        yield f"adaptive {name}", f"{go.format('adaptive30')} --target {name}"
    yield "whole", f"{go.format('units')}/whole"
    # Ends after a unit: the first and the last restart of blob, a round of adaptive.
    for k, minutes in enumerate(("1e-9", "1e-9", "1e-9", "60")):
        yield f"resumed {k}", f"{go.format('units')}/resumed --minutes {minutes}"
    yield "ray", f"{go.format('ray')}/ray --engine ray"
    yield "quickstart", "scripts/quickstart.py --images 100 --quiet --out results"
    yield "calls", f"{CALLS} calls"
    yield "train", "scripts/train.py train.yaml --data-dir small --quiet --out trained.npz"
    yield "evaluate keras", f"scripts/evaluate.py model.keras {OWN} {EVALUATE}/keras"
    yield "evaluate saved", f"scripts/evaluate.py saved {OWN} {EVALUATE}/saved --method pgd"
    yield "evaluate function", f"scripts/evaluate.py mine:model {OWN} {EVALUATE}/function"
    if importlib.util.find_spec("torch"):
        yield "evaluate torch", f"scripts/evaluate.py mine:module {OWN} {EVALUATE}/torch"
    yield "evaluate target", f"scripts/evaluate.py fmnist/surrogate --eps 0.2 {EVALUATE}/target"
    yield "build", "scripts/submit.py build results/quickstart -o attack.npy"
    yield "verify", "scripts/submit.py verify attack.npy --target locuslab/own_mnist --images 100"
