"""Targets from PyTorch modules: the same logits and gradients, from a copy on the CPU."""

import threading

import numpy as np
import pytest

from daa import AttackConfig, InputError, Target, worst_case
from daa.attacks.losses import xent
from daa.target import NoteWarning, input_gradient, predict
from daa.targets import user_models
from daa.targets.files import sha256

SHAPE, CLASSES = (6, 5, 3), 4
X = np.random.default_rng(0).random((8, *SHAPE), dtype=np.float32)
Y = np.arange(8) % CLASSES


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def module(torch):
    torch.manual_seed(0)
    nn = torch.nn
    layers = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten()]
    made = nn.Sequential(*layers, nn.Linear(48, CLASSES))
    made[1].running_mean -= 0.3
    return made


def reference(torch, module, x=X, y=Y):
    """Logits and the gradient of the summed cross-entropy."""
    images = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    logits = module.eval()(images)
    torch.nn.functional.cross_entropy(logits, torch.tensor(y), reduction="sum").backward()
    return logits.detach().numpy(), np.moveaxis(images.grad.numpy(), 1, -1)


def test_logits_and_gradients_are_the_module_s(torch, module):
    target = Target.from_torch(module, image_shape=SHAPE)
    assert module.training  # the target has a copy
    logits, grad = reference(torch, module)
    assert (target.name, target.classes, target.notes) == ("Sequential", CLASSES, ())
    config = AttackConfig("pgd", eps=0.1, steps=10, step_size=0.02)
    report = worst_case(target, config, X, predict(target, X).argmax(axis=1))
    assert (report.margin < report.natural).all()
    module.train()
    with torch.no_grad():
        module[0].weight.add_(1)
    np.testing.assert_allclose(predict(target, X), logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(input_gradient(target, X, Y, xent), grad, rtol=1e-4, atol=1e-6)
    assert Target.from_torch(module, image_shape=SHAPE).weights_sha256 != target.weights_sha256


def test_bounds_and_layout(torch):
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(90, CLASSES))
    options = {"bounds": (0, 255), "data_format": "channels_last"}
    target = Target.from_torch(module, image_shape=SHAPE, **options)
    expected = module(torch.tensor(255 * X)).detach().numpy()
    np.testing.assert_allclose(predict(target, X), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(InputError, match=r"module: expected a torch.nn.Module, got 3"):
        Target.from_torch(3, image_shape=SHAPE)


@pytest.mark.parametrize("kind", ["layer", "twice", "attribute", "function"])
def test_a_final_softmax_is_taken_off_or_its_logarithm_is_attacked(torch, module, kind):
    class Attribute(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.body = torch.nn.Softmax(dim=-1), module

        def forward(self, x):
            out = self.body(x)
            return out.softmax(1) if kind == "function" else self.last(out)

    last = torch.nn.Softmax(dim=1)
    ends = {"layer": [last], "twice": [last, torch.nn.Softmax(dim=1)]}.get(kind)
    model = torch.nn.Sequential(module, *ends) if ends else Attribute()
    code = "softmax-logarithm" if kind == "function" else "softmax-removed"
    with pytest.warns(NoteWarning, match=rf"\[{code}\]"):
        target = Target.from_torch(model, image_shape=SHAPE)
    logits, _ = reference(torch, module)
    if kind == "function":
        logits = torch.log_softmax(torch.tensor(logits), dim=1).numpy()
    np.testing.assert_allclose(predict(target, X), logits, rtol=1e-4, atol=1e-5)


def kept(torch, module):
    """A module that keeps its logits, which autograd made."""
    module.register_forward_hook(lambda module, _, logits: setattr(module, "kept", logits))
    module.eval()(module[0].weight.new_zeros(2, 3, 6, 5))
    return module.train()


def locked(torch, module):
    module[1].lock = threading.Lock()
    return module


def extra(torch, module):
    class Extra(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = module

        def forward(self, x):
            return self.body(x.sub_(0.5).add_(0.5))

        def get_extra_state(self):
            return {"version": 1, "object": object()}

    return Extra()


MODULES = {
    "keeps a tensor": kept,
    "has a lock": locked,
    "weight_norm": lambda torch, module: module[:5].append(torch.nn.utils.weight_norm(module[5])),
    "extra state, changes its input": extra,
    "in-place": lambda torch, module: torch.nn.Sequential(torch.nn.ReLU(inplace=True), module),
    "script": lambda torch, module: torch.jit.script(module),
    "trace": lambda torch, module: torch.jit.trace(module.eval(), torch.rand(2, 3, 6, 5)),
    "float64": lambda torch, module: module.double(),
    "bfloat16": lambda torch, module: module.bfloat16(),
}


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.filterwarnings("ignore")
def test_modules_of_many_kinds(torch, module, kind):
    logits, grad = reference(torch, module)
    module.train()
    made = MODULES[kind](torch, module)
    training = made.training
    target = Target.from_torch(made, image_shape=SHAPE)
    assert made.training == training
    cast = [f"The {kind} weights of the module are cast to float32."] * ("float" in kind)
    assert [note.message for note in target.notes] == cast
    close = {"rtol": 0.05, "atol": 0.01} if kind == "bfloat16" else {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(predict(target, X), logits, **close)
    np.testing.assert_allclose(input_gradient(target, X, Y, xent), grad, **close)


@pytest.mark.filterwarnings("ignore")
def test_a_torchscript_file_is_a_model(torch, module, tmp_path):
    expected, _ = reference(torch, module)
    torch.jit.save(torch.jit.script(module.eval()), tmp_path / "net.pt")
    target = user_models.load(tmp_path / "net.pt", image_shape=SHAPE)
    assert (target.name, target.weights_sha256) == ("net", sha256(tmp_path / "net.pt"))
    np.testing.assert_allclose(predict(target, X), expected, rtol=1e-5, atol=1e-6)
    torch.save(module.state_dict(), tmp_path / "net.pth")
    with pytest.raises(InputError, match=r"net.pth: expected a TorchScript file \(for weights, "):
        user_models.load(str(tmp_path / "net.pth"), image_shape=SHAPE)


def test_modules_without_values_or_gradient_are_named(torch):
    nn = torch.nn
    message = r"Sequential: has lazy or meta parameters without values; load the weights, or call"
    for layer in (nn.LazyLinear(CLASSES), nn.Linear(90, CLASSES, device="meta")):
        with pytest.raises(InputError, match=message):
            Target.from_torch(nn.Sequential(nn.Flatten(), layer), image_shape=SHAPE)


@pytest.mark.parametrize(
    "forward, message",
    [
        (lambda x: x.flatten(1).argmax(1, keepdim=True), "got 'torch.int64 without one'"),
        (lambda x: x.detach().flatten(1), "got 'torch.float32 without one'"),
        (lambda x: x.detach().flatten(1).requires_grad_(), "got 'torch.float32 without one'"),
        (lambda x: x, r"output: expected logits \[1, K\] of one image, got \[1, 3, 6, 5\]"),
        (lambda x: x @ x, r"expected a module that takes images of shape \['N', 3, 6, 5\], got"),
    ],
)
def test_errors_are_one_line(torch, forward, message):
    class Module(torch.nn.Module):
        def forward(self, x):
            return forward(x)

    with pytest.raises(InputError, match=message) as error:
        Target.from_torch(Module(), image_shape=SHAPE)
    assert "\n" not in str(error.value)
