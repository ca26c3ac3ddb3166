"""The networks: loaded once, checked whether they are the paper's, and timed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter

from daa import targets
from daa.evaluation import target_check as check
from daa.paper import cost
from daa.paper.plan import Options, Task, load_images
from daa.runs import config, device
from daa.runs.records import write_json
from daa.target import Dataset, Precision, Provenance, Target
from daa.targets import checkpoints, fetch, files


class Known(BaseModel):
    """What was found on a network, kept so that a later start need not look again.

    Args:
        target, weights, weights_sha256: what it is; weights as in a record.
        data, data_sha256, images: what it was checked on.
        clean: accuracy on those images, in %.
        published: accuracy that somebody published, in %.
        file: whether its file has the published hash, in words.
        misses: what is not as it must be, one sentence each; the paper's own network has none.
        ms_per_image: milliseconds of one step, for one image of a minibatch.
        particles, precision, device: with which that was timed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    weights: str
    weights_sha256: str | None
    data: str
    data_sha256: str
    images: int
    clean: float
    published: float | None
    file: str
    misses: tuple[str, ...]
    ms_per_image: float
    particles: int
    precision: str
    device: str


@dataclass(eq=False)
class Network:
    """A network with the images that it is attacked on.

    Args:
        reference: `folder/name`.
        images: how many; None for the whole test set.
        paper_images: how many the paper attacked.
        options: of the user.
        batch: particles of its largest minibatch, and precision of its runs.
    """

    reference: str
    images: int | None
    paper_images: int
    options: Options
    batch: tuple[int, Precision]

    @cached_property
    def target(self) -> Target:
        """The classifier, loaded when it is first needed."""
        found = targets.load_target(self.reference, model_dir=self.options.model_dir)
        return replace(found, provenance=self.provenance)

    @cached_property
    def sha256(self) -> str:
        """Hash of the weights."""
        return checkpoints.sha256(_weights(self.reference, self.options.model_dir))

    @cached_property
    def provenance(self) -> Provenance:
        """Where the weights come from; those that fail the checks are not the original ones."""
        known = load(self.path)
        same = known and known.weights_sha256 == self.sha256
        return self._origin(known.misses if known and same else ())

    def _origin(self, misses: Sequence[str]) -> Provenance:
        if self.options.rehearsal:
            return "own"  # random weights are nobody's
        return "third-party" if misses else targets.row(self.reference).provenance

    @property
    def load(self) -> partial[Target]:
        """Makes the same target in another process."""
        return targets.loader(self.reference, self.options.model_dir)

    @property
    def data(self) -> Dataset:
        return load_images(self.reference, self.options.data_dir, self.images)

    @property
    def path(self) -> Path:
        """Of what is known about it."""
        return place(self.options.out, self.reference)

    def known(self) -> Known | None:
        """What an earlier start found on these very weights and images, on this device."""
        found = load(self.path)
        if found is None:
            return None
        same = (self.sha256, self.data.sha256, len(self.data), *self.batch, device.name())
        then = (found.weights_sha256, found.data_sha256, found.images, found.particles)
        return found if same == (*then, found.precision, found.device) else None

    def look(self) -> Known:
        """Checks and times the network, and keeps what was found."""
        row, data = targets.row(self.reference), self.data
        target, whole = self.target, len(data) >= self.paper_images
        published = None if self.options.rehearsal else row.clean
        finding = check.examine(target, data, published, whole=whole)
        file = published_file(self.reference, self.options.model_dir)
        misses = list(finding.misses)
        if file.startswith("not the published"):
            misses.append(f"file: expected the published sha256, got another: {file}")
        particles, precision = self.batch
        step = cost.step(target, row.eps, particles, precision)
        found = Known(
            target=self.reference,
            weights=self._origin(misses),
            weights_sha256=self.sha256,
            data=data.name,
            data_sha256=data.sha256,
            images=len(data),
            clean=finding.clean,
            published=finding.published,
            file=file,
            misses=tuple(misses),
            ms_per_image=1000 * step.seconds / particles,
            particles=particles,
            precision=precision,
            device=device.name(),
        )
        write_json(self.path, found.model_dump(mode="json"))
        # What was loaded for the check may turn out to be a stranger's.
        vars(self).pop("provenance", None)
        vars(self).pop("target", None)
        return found


def place(out: Path, reference: str) -> Path:
    """The file of what is known about a network, in the folder of a report."""
    return out / "networks" / f"{reference.replace('/', '-')}.json"


def load(path: Path) -> Known | None:
    """What is known about a network; None where nothing is.

    Raises:
        InputError: a damaged file.
    """
    if not path.exists():
        return None
    content = files.read_json(path, "what is known of a network")
    return config.check(TypeAdapter(Known), content, str(path))


def published_file(reference: str, model_dir: str | None) -> str:
    """Whether the weights are the published file, in words."""
    source = targets.row(reference).source
    hashes = dict(source.hashes) if source else {}
    if not hashes:
        return "no hash is published"
    parcel = fetch.parcel(reference, model_dir=model_dir)
    weights = _weights(reference, model_dir)
    if weights.is_file():
        same = files.sha256(weights) in hashes.values()
        # The .npz that a .pth was converted to has another hash.
        return "the published file" if same else "another form of the published file, not checked"
    pins = fetch.load_pins(parcel.folder)
    for name, published in hashes.items():
        if name not in pins:
            return f"{name} is not here, so its published hash is not checked"
        if pins[name] != published or fetch.state(parcel) != "there":
            return f"not the published {name}"
    return "the published file"


def _weights(reference: str, model_dir: str | None) -> Path:
    return targets.family(reference).find_weights(reference.partition("/")[2], model_dir)


def of_tasks(work: Sequence[Task], options: Options) -> dict[str, Network]:
    """The networks of tasks; each is attacked on the same images in all of them."""
    found = {}
    runnable = [task for task in work if not task.missing]
    for reference in dict.fromkeys(task.experiment.target for task in runnable):
        own = [task for task in runnable if task.experiment.target == reference]
        attacks = [row.attack for task in own for row in task.experiment.rows]
        particles = max(attack.batch_size for attack in attacks)
        if options.rehearsal:
            particles = min(particles, options.images or particles)
        batch = particles, attacks[0].precision
        images, of = own[0].experiment.images, own[0].entry.images
        found[reference] = Network(reference, images, of, options, batch)
    return found


def examined(network: Network, say: Callable[[str], None] = print) -> Known:
    """What is known about a network, looked at now where it was not before."""
    found = network.known()
    if found is None:
        found = network.look()
    published = "" if found.published is None else f" (published {found.published:.2f})"
    step = found.ms_per_image * found.particles
    say(
        f"{found.target}: {found.file}; clean {found.clean:.2f} %{published} on "
        f"{found.images:,} images of {found.data}; a step of {found.particles} images takes "
        f"{step:,.0f} ms ({found.precision}, {found.device})"
    )
    for miss in found.misses:
        say(f"{found.target}: NOT the paper's network: {miss}")
    return found
