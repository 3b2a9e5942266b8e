"""Kernels as modules of PyTorch: one op for its compilers, weights in the state, the same bits."""

import copy
import pickle  # noqa: TID251
from pathlib import Path

import numpy as np
import pytest

import lowbit

torch = pytest.importorskip("torch")
import lowbit.torch  # noqa: E402

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
PROGRAM = lowbit.conv2d((1, 8, 8, 32), (3, 3, 32, 16), "uint1", "odd1", padding=1)


@pytest.fixture
def weights():
    return torch.from_numpy(np.random.default_rng(0).choice([-1, 1], (3, 3, 32, 16)).astype("i1"))


@pytest.fixture
def module(weights):
    return lowbit.torch.Module(PROGRAM, {"w": weights.clone()})


X = np.random.default_rng(1).integers(0, 2, (1, 8, 8, 32)).astype(np.uint8)


def same(call, weights) -> bool:
    expected = lowbit.reference(PROGRAM, X, weights.numpy())
    return np.array_equal(call(torch.from_numpy(X)).numpy(), expected)


def test_a_module_computes_what_the_reference_does(module, weights):
    assert same(module, weights) and list(module.state_dict()) == ["w"]


def test_weights_that_change_are_packed_again(module, weights):
    assert same(module, weights)
    module.w.neg_()
    assert same(module, -weights)
    module.load_state_dict({"w": weights})
    assert same(module, weights)
    module.w = -weights
    assert same(module, -weights)
    with torch.inference_mode():
        module.w = weights.clone()
        module.w.neg_()
        assert same(module, -weights)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_copies_have_weights_of_their_own(module, weights, copied):
    other = copied(module)
    other.w.neg_()
    assert same(other, -weights) and same(module, weights)


@pytest.mark.filterwarnings("ignore")
def test_compilers_see_one_op(module, weights):
    x = torch.from_numpy(X)
    torch.library.opcheck(lowbit.torch.run, (module._name, [x, weights]))
    exported = torch.export.export(module, (x,))
    assert same(exported.module(), weights) and "torch.ops.lowbit.run" in str(exported)
    assert same(torch.compile(module, fullgraph=True, backend="aot_eager"), weights)


def test_inputs_are_not_copied():
    program = lowbit.Program()
    x = program.input((4, 64), "f32", name="x")
    program.output(program.clip(x, minimum=0.0), program.clip(x, maximum=0.0))
    x = torch.randn(4, 64)
    above, below = lowbit.torch.Module(program)(x)
    assert torch.equal(above + below, x)


def test_what_does_not_fit_is_named(module, weights):
    with pytest.raises(ValueError, match=r"weights of \['w'\] are wanted, not of \['v'\]"):
        lowbit.torch.Module(PROGRAM, {"v": weights})
    with pytest.raises(ValueError, match="argument 'x' holds float32, but uint1 takes integers"):
        module(torch.zeros(1, 8, 8, 32))
    with pytest.raises(ValueError, match=r"no program of this process has the name 0123.*Module"):
        lowbit.torch.run("0123", [weights])


@pytest.mark.filterwarnings("ignore")
def test_a_model_of_brevitas_is_compiled_in_memory():
    pytest.importorskip("brevitas")
    import brevitas.nn as qnn

    torch.manual_seed(0)
    model = torch.nn.Sequential(
        qnn.QuantIdentity(bit_width=8),
        qnn.QuantConv2d(1, 16, 3, padding=1, bias=False, weight_bit_width=2),
        torch.nn.BatchNorm2d(16),
        qnn.QuantReLU(bit_width=2),
        torch.nn.Flatten(),
        qnn.QuantLinear(16 * 64, 10, bias=True, weight_bit_width=2),
    ).eval()
    with np.load(DIGITS / "digits_1797.npz") as digits:
        images = torch.from_numpy(digits["images"][:8].astype(np.float32) / 16)[:, None]
    fast = lowbit.torch.compile(model, images)
    with torch.no_grad():
        assert torch.allclose(fast(images), model(images), atol=1e-5)
