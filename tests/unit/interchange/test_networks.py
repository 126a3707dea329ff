"""Networks from files: every usual form gives the same weights; anything else gives one sentence."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.invalid_input import Exploding, zip_bomb
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors

from tempotron_core import import_network
from tempotron_core.data import datasets
from tempotron_core.data.archives import FormatError
from tempotron_core.interchange.imported_run import complete_settings
from tempotron_core.interchange.networks import AmbiguousKeyError, read_network
from tempotron_core.model.classifier import initial_weight, predict
from tempotron_core.runs.reader import load_model, read_run

WEIGHT = initial_weight(3, 10, seed=4) * 20


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


GOOD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "state dict of the module": ("a.pt", lambda: saved({"fc.weight": WEIGHT})),
    "state dict of the example's net": ("a.pth", lambda: saved({"tempotron.fc.weight": WEIGHT})),
    "nested checkpoint": ("a.ckpt", lambda: saved({"net": {"module.fc.weight": WEIGHT}, "optimizer": {"lr": 0.1}})),
    "parameter": ("a.pt", lambda: saved({"fc.weight": torch.nn.Parameter(WEIGHT)})),
    "bare tensor": ("a.pt", lambda: saved(WEIGHT)),
    "float64": ("a.pt", lambda: saved({"fc.weight": WEIGHT.double()})),
    "transposed view": ("a.pt", lambda: saved({"fc.weight": WEIGHT.t().contiguous().t()})),
    "npz of any key": ("a.npz", lambda: npz(w=WEIGHT.numpy())),
    "npz, other byte order": ("a.npz", lambda: npz(w=WEIGHT.numpy().astype(">f4"))),
    "safetensors": ("a.safetensors", lambda: save_safetensors({"fc.weight": WEIGHT})),
}


@pytest.mark.parametrize("name", GOOD)
def test_every_usual_form_gives_the_weights(name: str) -> None:
    file, content = GOOD[name]
    network = read_network(content(), file)
    assert (network.outputs, network.afferents) == (10, 784 * 3)
    assert network.weight.dtype == torch.float32
    assert torch.equal(network.weight, WEIGHT)
    assert torch.equal(network.scaled_weight(1.0), WEIGHT)


def test_half_precision_is_converted_with_a_note() -> None:
    network = read_network(save_safetensors({"fc.weight": WEIGHT.half()}), "a.safetensors")
    assert torch.equal(network.weight, WEIGHT.half().float())
    assert "float16" in network.notes[0]


def test_several_matrices_are_asked_for_and_a_key_chooses() -> None:
    content = saved({"a.weight": WEIGHT, "b.weight": WEIGHT[:3]})
    with pytest.raises(AmbiguousKeyError, match=r"a\.weight \[10, 2352\], b\.weight \[3, 2352\]") as asked:
        read_network(content, "a.pt")
    assert set(asked.value.keys) == {"a.weight", "b.weight"}
    assert read_network(content, "a.pt", "b.weight").outputs == 3
    with pytest.raises(FormatError, match="expected a key of the file, got 'c'"):
        read_network(content, "a.pt", "c")


def test_a_network_of_spikingjelly_2_is_recognised_and_scaled() -> None:
    centres = torch.arange(3.0)[None]
    content = saved({"weight": WEIGHT, "encoder.mu": centres, "encoder.sigma2": torch.full((1, 3), 4 / 9)})
    network = read_network(content, "a.pt")
    assert network.is_spikingjelly_2
    assert network.constants == {"m": 3, "beta": 1.5}
    assert torch.equal(network.scaled_weight(0.5), WEIGHT / 0.5)
    values = complete_settings(network, {"v_threshold": 0.5})
    assert (values.time, values.after_spike, values.code) == ("exact", "shunt", "gaussian-unrounded")
    assert complete_settings(network, {}, without_shunting=True).time == "grid"
    with pytest.raises(FormatError, match="choose spikingjelly-2"):
        network.scaled_weight(0.5, "spikingjelly-0.0.0.0.14")


def nameless_member() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("~", b"1")
    return file.getvalue().replace(b"~", b"\0")  # zipfile cuts a name at the first zero


def header_only(header: dict[str, Any]) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text


BAD: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "pickled module": ("a.pt", lambda: saved(torch.nn.Linear(2, 2)), r"torch\.save\(net\.state_dict\(\)"),
    "pickle that runs code": ("a.pt", lambda: saved({"w": Exploding()}), "which is not opened"),
    "pickle under another ending": ("a.safetensors", lambda: pickle.dumps(Exploding()), "safetensors header"),
    "bare pickle": ("a.pt", lambda: pickle.dumps({"fc.weight": 1}), "a pickle, which is not opened"),
    "NaN": ("a.pt", lambda: saved({"fc.weight": WEIGHT * torch.nan}), "NaN or infinity in 23,520"),
    "no matrix": ("a.pt", lambda: saved({"a": torch.ones(3)}), r"got a \[3\]"),
    "integers": ("a.npz", lambda: npz(w=np.ones((3, 4), int)), "floating-point matrix"),
    "objects": ("a.npz", lambda: npz(w=np.array([{}, 1], object)), "objects"),
    "empty": ("a.pt", lambda: b"", "got 0 bytes"),
    "garbage": ("a.npz", lambda: b"PK\x03\x04" + bytes(500), "zip archive"),
    "another ending": ("a.onnx", lambda: b"x", r"ends in \.safetensors"),
    "zip bomb": ("a.npz", lambda: zip_bomb("w.npy", (10, 7_000_000)), "compression below"),
    "member without a name": ("a.npz", nameless_member, "without paths"),
    "huge header": ("a.safetensors", lambda: (2**40).to_bytes(8, "little") + b"{}", "header of at most"),
    "a billion rows": (
        "a.safetensors",
        lambda: header_only({"w": {"dtype": "F32", "shape": [10**9, 10], "data_offsets": [0, 4 * 10**10]}}),
        "bytes for w",
    ),
    "bias": ("a.pt", lambda: saved({"fc.weight": WEIGHT, "fc.bias": torch.ones(10)}), "without bias"),
}


@pytest.mark.parametrize("name", BAD)
def test_anything_else_is_refused_with_one_sentence(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file, content, words = BAD[name]
    with pytest.raises(FormatError, match=words) as refused:
        read_network(content(), file)
    assert len(str(refused.value).splitlines()) == 1
    assert "expected" in str(refused.value)
    assert not Path("exploded").exists()


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(("state dict of the module", "npz of any key", "safetensors")),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    length=st.floats(0.0, 1.0),
)
def test_damaged_files_give_weights_or_one_sentence(kind: str, changes: list[tuple[float, int]], length: float) -> None:
    file, content = GOOD[kind]
    damaged = bytearray(content())
    for place, value in changes:
        # Most bytes are weights; the directory, the headers and the pickle are at both ends.
        position = int(place * 1500) * (1 if place < 0.5 else -1)
        damaged[position % len(damaged)] = value
    if length < 0.5:
        damaged = damaged[: max(1, int(2 * length * len(damaged)))]
    try:
        result: object = read_network(bytes(damaged), file).weight.isfinite().all()
    except FormatError as refused:
        result = len(str(refused).splitlines()) == 1
    assert result


def test_command_imports_a_run_like_any_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(saved({"net": {"fc.weight": WEIGHT.double()}}))
    command = [str(file), "-m", "3", "-T", "40", "--tau", "12", "--tau-s", "3", "--v-threshold", "0.5", "--beta", "2"]
    assert import_network.main([*command, "--log-dir", str(tmp_path / "runs")]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result["keys_found"] == {"net.fc.weight": [10, 2352]} and result["key_used"] == "net.fc.weight"
    assert (result["outputs"], result["afferents"]) == (10, 2352)
    model = load_model(result["log"])
    assert torch.equal(model.weight, WEIGHT)
    assert (model.m, model.T, model.beta, model.tau, model.tau_s, model.v_threshold) == (3, 40, 2, 12, 3, 0.5)
    test = datasets.load().test
    correct = [int(predict(model, test.images[i]).v_max.argmax()) == int(test.labels[i]) for i in range(60)]
    assert abs(sum(correct) / 60 - result["test_accuracy"]) < 0.2
    record = read_run(result["log"])
    assert record.settings is not None and record.settings.imported_from == "net.pt"
    assert [row.epoch for row in record.epochs] == [0]
    assert record.epochs[0].test_accuracy == pytest.approx(result["test_accuracy"])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-m", "4"], "choose m 3"),
        (["--tau", "5", "--tau-s", "5"], "two different time constants"),
        (["-T", "0"], "T"),
        (["--dataset-dir", "/nowhere"], "expected"),
    ],
)
def test_constants_that_do_not_fit_give_one_sentence(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "net.pt"
    file.write_bytes(saved({"fc.weight": WEIGHT}))
    given_m = [] if "-m" in options else ["-m", "3"]
    assert import_network.main([str(file), *given_m, *options, "--log-dir", str(tmp_path / "runs")]) == 2
    message = capsys.readouterr().err
    assert words in message and len(message.splitlines()) == 1
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
