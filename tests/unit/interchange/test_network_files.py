"""Networks written for other programs: round trips, and the response of the programs themselves where installed.

TEMPOTRON_SPIKINGJELLY_0 and TEMPOTRON_SPIKINGJELLY name folders with the two releases, see test_peer_networks.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import pytest
import torch

from tempotron_core import cli
from tempotron_core.data.archives import FormatError
from tempotron_core.interchange.network_files import FORMATS, network_file
from tempotron_core.interchange.networks import read_network
from tempotron_core.model.classifier import Model
from tempotron_core.recording import record

CLASSES = tuple("abcde")


def network(**changes: object) -> Model:
    weight = 0.2 * torch.randn(5, 60, generator=torch.Generator().manual_seed(1))
    constants = {"m": 3, "T": 60, "beta": 2.0, "tau": 20.0, "tau_s": 4.0, "v_threshold": 0.5}
    return Model(weight, **constants | changes)  # type: ignore[arg-type]


def spikes(whole: bool = True) -> torch.Tensor:
    times = 59 * torch.rand(8, 60, generator=torch.Generator().manual_seed(2))
    times[times > 50] = -1
    return times.round() if whole else times


@pytest.mark.parametrize("form", FORMATS)
def test_a_network_survives_the_round_trip(form: str) -> None:
    if form == "nir":
        pytest.importorskip("nir")
    model = network()
    file = network_file(model, form, CLASSES)
    read = read_network(file.content, f"net{file.suffix}")
    weight = read.scaled_weight(0.5, "spikingjelly-2" if form == "spikingjelly-2" else None)
    assert torch.allclose(weight, model.weight, rtol=1e-6, atol=1e-7)
    if form in ("npz", "nir"):
        wanted = {"m": 3, "T": 60, "beta": 2.0, "tau": 20.0, "tau_s": 4.0, "v_threshold": 0.5}
        assert dict(read.constants) == pytest.approx(wanted)
        assert read.classes == CLASSES


def test_spikingjelly_0_gives_the_same_potentials() -> None:
    path = Path(os.environ.get("TEMPOTRON_SPIKINGJELLY_0", "")) / "spikingjelly" / "timing_based" / "neuron.py"
    if not path.is_file():
        pytest.skip("TEMPOTRON_SPIKINGJELLY_0 names no folder with SpikingJelly")
    spec = util.spec_from_file_location("spikingjelly_0_neuron", path)
    assert spec is not None and spec.loader is not None
    module = util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = network()
    peer = module.Tempotron(60, 5, model.T, model.tau, model.tau_s, model.v_threshold)
    file = network_file(model, "spikingjelly-0.0.0.0.14")
    peer.load_state_dict(torch.load(io.BytesIO(file.content), weights_only=True))
    assert torch.allclose(peer(spikes(), "v"), model.to_layer()(spikes(), "v"), atol=1e-4)


SCRIPT = """
import io, sys, torch
sys.path.insert(0, sys.argv[1])
from spikingjelly.timing_based.neuron import Tempotron
state, times, duration, tau, tau_s, threshold = torch.load(sys.argv[2])
peer = Tempotron(60, 5, duration, tau, tau_s, threshold)
peer.load_state_dict(torch.load(io.BytesIO(state), weights_only=True))
index = torch.arange(60)
kept = [row >= 0 for row in times]
offsets = torch.tensor([0, *[int(mask.sum()) for mask in kept]]).cumsum(0)
v_max, t_max, t_spike = peer(torch.cat([row[mask] for row, mask in zip(times, kept)]),
                             torch.cat([index[mask] for mask in kept]), offsets)
torch.save((v_max.detach(), t_max.detach()), sys.argv[3])
"""


def test_spikingjelly_2_gives_the_same_peaks(tmp_path: Path) -> None:
    folder = os.environ.get("TEMPOTRON_SPIKINGJELLY", "")
    if not folder or not (Path(folder) / "spikingjelly" / "timing_based" / "functional.py").exists():
        pytest.skip("TEMPOTRON_SPIKINGJELLY names no folder with SpikingJelly 2.0.0")
    model = network(time="exact", after_spike="shunt")
    file = network_file(model, "spikingjelly-2")
    assert len(file.notes) == 1
    times = spikes(whole=False)
    torch.save((file.content, times, 60.0, 20.0, 4.0, 0.5), tmp_path / "input")
    command = [sys.executable, "-c", SCRIPT, folder, str(tmp_path / "input"), str(tmp_path / "output")]
    subprocess.run(command, check=True, timeout=120)
    v_max, t_max = torch.load(tmp_path / "output")
    layer = model.to_layer()
    assert torch.allclose(v_max * 1.0, layer(times, "v_max"), atol=1e-5)
    assert torch.allclose(t_max.float(), layer(times, "t_max"), atol=1e-3)


def test_nir_has_the_potentials_of_its_equations() -> None:
    nir = pytest.importorskip("nir")
    model = network()
    graph = nir.read(io.BytesIO(network_file(model, "nir", CLASSES).content))
    neuron, weight = graph.nodes["tempotrons"], graph.nodes["linear"].weight
    assert "highest V" in str(graph.metadata["decision"])
    step, times = 1e-6, spikes()[0]
    I, v, got = np.zeros(5), np.zeros(5), []  # noqa: E741
    arrivals = {int(t): weight[:, (times == t).numpy()].sum(axis=1) for t in times.unique() if t >= 0}
    for index in range(30_000):  # 30 ms by forward Euler
        if index % 1000 == 0:
            I = I + neuron.w_in * arrivals.get(index // 1000, 0) / neuron.tau_syn  # noqa: E741
            got.append(v)
        v = v + step * (neuron.v_leak - v + neuron.r * I) / neuron.tau_mem
        I = I - step * I / neuron.tau_syn  # noqa: E741
    wanted = model.to_layer()(times[None], "v")[0, :, :30].T.detach().numpy()
    assert np.allclose(got, wanted, atol=2e-3)


def test_only_the_own_graph_is_read_back() -> None:
    nir = pytest.importorskip("nir")
    ones, file = np.ones(5), io.BytesIO()
    graph = nir.NIRGraph(
        {
            "input": nir.Input(input_type=np.array([60])),
            "linear": nir.Linear(weight=np.ones((5, 60))),
            "lif": nir.LIF(tau=ones, r=ones, v_leak=ones, v_threshold=ones),
            "output": nir.Output(output_type=np.array([5])),
        },
        [("input", "linear"), ("linear", "lif"), ("lif", "output")],
    )
    nir.write(file, graph)
    with pytest.raises(FormatError, match="only this form is read"):
        read_network(file.getvalue(), "net.nir")
    for content in (b"\x89HDF\r\n\x1a\n" + bytes(200), b"PK\3\4", file.getvalue()[:900]):
        with pytest.raises(FormatError, match="expected a graph of the package nir"):
            read_network(content, "net.nir")


def test_a_graph_reads_no_other_file(tmp_path: Path) -> None:
    pytest.importorskip("nir")
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(bytes(4 * 300))
    content = network_file(network(), "nir", CLASSES).content
    for kind in ("external values", "external link", "soft link", "circle"):
        path = tmp_path / f"{kind}.nir"
        path.write_bytes(content)
        with h5py.File(path, "r+") as file:
            linear = file["node/nodes/linear"]
            if kind == "circle":
                linear["again"] = file["node"]
            else:
                del linear["weight"]
            if kind == "external values":
                linear.create_dataset("weight", (5, 60), "f4", external=[(str(tmp_path / "secret"), 0, 1200)])
            elif kind == "external link":
                linear["weight"] = h5py.ExternalLink(str(tmp_path / "circle.nir"), "/node")
            elif kind == "soft link":
                linear["weight"] = h5py.SoftLink("/node/nodes/tempotrons/r")
        with pytest.raises(FormatError, match=r"a link|values of another file|more than 1,000 entries"):
            read_network(path)


def test_the_command_writes_a_file_that_can_be_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weight = torch.randn(10, 784 * 3)
    with record("runs", m=3, T=20) as run:
        run.epoch(weight, train_accuracy=0.5, test_accuracy=0.5)
        run.epoch(2 * weight, train_accuracy=0.5, test_accuracy=0.4)
    assert cli.main(["export", str(run.path), "--format", "spikingjelly-0.0.0.0.14", "--epoch", "1"]) == 0
    line = json.loads(capsys.readouterr().out)
    assert torch.equal(read_network(line["file"]).weight, weight)
    assert "load_state_dict" in line["notes"][0]
    assert cli.main(["export", str(run.path), "--epoch", "9"]) == 2
    assert cli.main(["export", "runs/none"]) == 2
    assert cli.main(["export", str(run.path), "--output", "missing/net.npz"]) == 2
    assert [text.count("expected") for text in capsys.readouterr().err.splitlines()] == [1, 1, 1]
