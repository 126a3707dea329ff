"""A training step, evaluation and exact peaks traced on a CUDA device that need not exist.

Fake tensors have a device, a shape and a dtype, and no values. So an operation whose output size depends on values, or
a value that the host reads, raises an error: on a device the host would wait there. The autograd engine needs a real
device, so the functions that compute gradients are called directly. A mode around the trace refuses tensors of the
host and dtypes without a CUDA kernel, and lists the operations that wait.
"""

import copy
import itertools
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, DynamicOutputShapeException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tempotron_core import Tempotron
from tempotron_core.data import datasets
from tempotron_core.model.classifier import PIXELS, log_mean_exp_pool, pixel_spike_table
from tempotron_core.snn import engine, exact_time
from tempotron_core.snn.exact_time import Mode
from tempotron_core.snn.sorted_spikes import sort_spikes
from tempotron_core.snn.spike_store import Batch, SpikeStore
from tempotron_core.training.recipes import LOSSES, OPTIMISERS
from tempotron_core.training.settings import Settings
from tempotron_core.training.trainer import Trainer, evaluate_health

M, T, OUTPUTS = 4, 30, 20
MODES = [Mode(time, after) for time, after in itertools.product(("grid", "exact"), ("continue", "shunt"))]
FLOATS_ONLY = (
    "mm",
    "addmm",
    "bmm",
    "baddbmm",
    "log1p_",
    "pow_",
    "exp_",
    "_fused_adamw_",
    "_fused_sgd_",
    "_log_softmax",
)
SYNCHRONISES = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique", "_unique2", "bincount")


class CudaGuard(TorchDispatchMode):
    """Refuses what a device cannot do, and lists the operations for which the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []
        self.operations: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        self.operations.append(name)
        if name in SYNCHRONISES:
            self.waits.append(name)
        if any(tensor.device.type == "cpu" for tensor in tensors):
            raise AssertionError(f"{name}: a tensor of the host in the step")
        if name in FLOATS_ONLY and any(not t.is_floating_point() for t in tensors if t.dim()):
            raise AssertionError(f"{name}: no CUDA kernel for {[t.dtype for t in tensors]}")
        if name.startswith("_embedding_bag"):
            rows, index, offsets = tensors[:3]
            if not rows.is_floating_point() or index.dtype != offsets.dtype or index.dtype.is_floating_point:
                raise AssertionError(f"{name}: no CUDA kernel for {rows.dtype}, {index.dtype}, {offsets.dtype}")
        result = func(*args, **(kwargs or {}))
        if any(leaf.device.type == "cpu" for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)):
            self.waits.append(name)
            raise AssertionError(f"{name}: the result lies on the host")
        return result


def on_fake_device(value: Any) -> Any:
    """A copy of a tensor, or of an object with all its tensors, on the fake device; call inside the mode."""
    if isinstance(value, torch.Tensor):
        return torch.empty_strided(value.size(), value.stride(), dtype=value.dtype, device="cuda")
    other = copy.copy(value)
    for name, part in vars(value).items():
        if isinstance(part, torch.Tensor) or type(part).__name__ == "_SpikeTable":
            setattr(other, name, on_fake_device(part))
    return other


def clear_tables() -> None:
    for table in (engine._kernel_tables, engine._kernel_tables_backward, engine._block_carry_tables):
        table.cache_clear()


@pytest.fixture
def fake() -> Iterator[FakeTensorMode]:
    """Fake tensors; tables that were made of them are forgotten."""
    clear_tables()
    mode = FakeTensorMode()
    with mode:
        yield mode
    clear_tables()


@pytest.fixture(scope="module")
def real_batch() -> Batch:
    split = datasets.load(datasets.EMBEDDED).train
    store = SpikeStore(pixel_spike_table(M, T), split.images[:64].view(-1, PIXELS), T)
    for _ in store.fill():
        pass
    return store.batch(torch.arange(16))


def layer(mode: Mode) -> Tempotron:
    with torch.device("cuda"):
        return Tempotron(PIXELS * M, OUTPUTS, T, time=mode.time, after_spike=mode.after_spike)


def context() -> Any:
    return SimpleNamespace(mark_non_differentiable=lambda *_: None, set_materialize_grads=lambda *_: None)


def trace(step: Callable[[], Any]) -> tuple[Any, CudaGuard]:
    """Run twice; tables of the kernel are made on the host and copied in the first step only."""
    step()
    with CudaGuard() as guard:
        result = step()
    assert guard.operations
    return result, guard


@pytest.mark.parametrize("mode", MODES)
def test_peak_and_gradient_never_wait(fake: FakeTensorMode, real_batch: Batch, mode: Mode) -> None:
    """Forward by time, backward by afferent: both orders of the spike store."""
    batch, net = on_fake_device(real_batch), layer(mode)
    weight = net.fc.weight.detach()

    def step() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        ctx = context()
        if mode == Mode():
            v_max, t_max = engine._Peak.forward(ctx, weight, batch, net.kernel), None
            return v_max, engine._Peak.backward(ctx, torch.ones_like(v_max))[0], t_max
        v_max, t_max = exact_time._Peak.forward(ctx, weight, batch, net.kernel, mode)
        return v_max, exact_time._Peak.backward(ctx, torch.ones_like(v_max), t_max)[0], t_max

    (v_max, grad, t_max), guard = trace(step)
    assert v_max.shape == (16, OUTPUTS) and grad.shape == weight.shape
    assert {v_max.device.type, grad.device.type} == {"cuda"} and grad.dtype == torch.float32
    assert t_max is None or t_max.device.type == "cuda"
    assert guard.operations.count("_embedding_bag_forward_only") == 2
    assert guard.waits == []


@pytest.mark.parametrize("time", exact_time.TIMES)
def test_crossings_never_wait(fake: FakeTensorMode, real_batch: Batch, time: str) -> None:
    batch, net = on_fake_device(real_batch), layer(Mode(time))

    def step() -> torch.Tensor:
        ctx = context()
        t_spike = exact_time._Crossing.forward(ctx, net.fc.weight.detach(), batch, net.kernel, time)
        exact_time._Crossing.backward(ctx, torch.ones_like(t_spike))
        return t_spike

    t_spike, guard = trace(step)
    assert t_spike.shape == (16, OUTPUTS) and guard.waits == []


@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("mode", MODES)
def test_a_training_step_never_waits(
    fake: FakeTensorMode, real_batch: Batch, mode: Mode, optimiser: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trainer's own step; the gradient of its loss is replaced, as the engine needs a real device."""
    batch, net = on_fake_device(real_batch), layer(mode)
    trainer = Trainer.__new__(Trainer)
    settings = Settings(m=M, T=T, recipe="population", tempotrons_per_class=2, afferent_dropout=0.0)
    trainer.settings, trainer.net = settings, net
    trainer.set_rate(1e-3)
    trainer._weight_by_afferent = torch.nn.Parameter(torch.empty(PIXELS * M, OUTPUTS, device="cuda"))
    trainer.optimiser = OPTIMISERS[optimiser]([trainer._weight_by_afferent], lr=1e-3)
    trainer._recipe, trainer._processes = settings.resolved_recipe, SimpleNamespace(size=1)  # type: ignore[assignment]
    trainer._loss, trainer._schedule = settings.resolved_recipe.loss_function, lambda progress: 1.0
    labels = torch.empty(16, dtype=torch.int64, device="cuda")
    monkeypatch.setattr(torch.autograd, "grad", lambda loss, weight: (torch.zeros_like(weight),))
    fused: list[str] = []

    def fused_sgd(*lists: Any, **options: Any) -> None:
        """Stand in for the only operation without a fake kernel; it writes in place and returns nothing."""
        fused.append("_fused_sgd_")
        tensors = [leaf for leaf in tree_leaves((lists, options)) if isinstance(leaf, torch.Tensor)]
        assert tensors and {(t.device.type, t.dtype) for t in tensors} == {("cuda", torch.float32)}

    monkeypatch.setattr(torch, "_fused_sgd_", fused_sgd)
    (loss, hits), guard = trace(lambda: trainer.step(batch, labels, 0.5))
    assert loss.device.type == hits.device.type == "cuda" and loss.shape == hits.shape == ()
    assert any(name.startswith("_fused") for name in guard.operations + fused)
    assert guard.waits == []


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_never_wait(fake: FakeTensorMode, loss: str) -> None:
    v_max, labels = torch.empty(16, OUTPUTS, device="cuda"), torch.empty(16, dtype=torch.int64, device="cuda")
    result, guard = trace(lambda: LOSSES[loss](log_mean_exp_pool(v_max, 2), 1.0, labels % 10))
    assert result.shape == () and guard.waits == []


@pytest.mark.parametrize("mode", MODES)
def test_evaluation_waits_once_at_its_end(fake: FakeTensorMode, real_batch: Batch, mode: Mode) -> None:
    """The numbers of the dead outputs are read when all batches are done; nothing before makes the host wait."""
    batch, net, taken = on_fake_device(real_batch), layer(mode).requires_grad_(False), []

    class Store:
        def __len__(self) -> int:
            return 16

        def batch(self, samples: torch.Tensor) -> Batch:
            taken.append(len(samples))
            fake_batch: Batch = batch
            return fake_batch

    labels = torch.empty(16, dtype=torch.int64, device="cuda")
    net.peak_and_time(batch)  # tables of the kernel
    with pytest.raises(DynamicOutputShapeException, match="nonzero"):
        evaluate_health(net, Store(), labels, 2)  # type: ignore[arg-type]
    assert taken == [16]


def test_what_a_device_cannot_do_is_found(fake: FakeTensorMode) -> None:
    """The guard itself: sizes that depend on values, values read by the host, host tensors, dtypes."""
    x, whole = torch.empty(4, 4, device="cuda"), torch.ones(4, 4, dtype=torch.int32, device="cuda")
    with pytest.raises(DynamicOutputShapeException):
        x.nonzero()
    with pytest.raises(DynamicOutputShapeException):
        x[x > 0]
    with pytest.raises(DataDependentOutputException):
        float(x.sum())
    for bad in (
        lambda: x + torch.ones(4, 4),
        lambda: x.cpu(),
        lambda: whole @ whole,
        lambda: engine.segment_sum(x, whole.view(-1), torch.zeros(2, dtype=torch.int64, device="cuda")),
    ):
        with pytest.raises((AssertionError, RuntimeError)), CudaGuard():
            bad()


def times_on_device() -> torch.Tensor:
    return torch.empty(4, 9, device="cuda")


REMAINING: dict[str, Callable[[], object]] = {
    "public call, check that times are finite": lambda: layer(Mode())(torch.empty(1, PIXELS * M, device="cuda"), "v"),
    "public call, binning": lambda: engine.bin_spikes(times_on_device(), T),
    "public call, sorting": lambda: sort_spikes(times_on_device(), T),
    "spike store, once per data set": lambda: SpikeStore(
        torch.empty(256, M, device="cuda"), torch.empty(8, PIXELS, dtype=torch.uint8, device="cuda"), T
    ),
}
"""Where the host still waits for a device; none of it is in a training step or in a batch of an evaluation.

Beside these: the end of an evaluation, totals and weights every loop.STEPS_PER_SNAPSHOT steps, each batch of a store
whose spikes exceed its budget, which is encoded when it is taken.
"""


@pytest.mark.parametrize("place", REMAINING)
def test_remaining_synchronisations_are_listed(fake: FakeTensorMode, place: str) -> None:
    with pytest.raises((DynamicOutputShapeException, DataDependentOutputException)):
        REMAINING[place]()


def test_a_store_beyond_its_budget_waits_for_each_batch(fake: FakeTensorMode, real_batch: Batch) -> None:
    store = SpikeStore.__new__(SpikeStore)
    store.T, store._spike_table = T, on_fake_device(real_batch._spike_table)
    with pytest.raises(DynamicOutputShapeException):
        store._sort_by_time(torch.empty(8, PIXELS, dtype=torch.uint8, device="cuda"))
