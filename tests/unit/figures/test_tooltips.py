"""What maps say at the pointer, read back as the browser reads it; maps as pictures."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tempotron_core import figures
from tempotron_core.analysis.attribution import evidence
from tempotron_core.data import datasets
from tempotron_core.figures import theme
from tempotron_core.model.classifier import Model, initial_weight, predict

HOSTILE = "'\"><img src=x onerror=alert(1)>{x}"
DIGITS = datasets.load().test


class TooltipParser(HTMLParser):
    """All that pictures say, their sources, and the tags of the markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.said: list[Any] = []
        self.sources: list[str] = []
        self.tags: set[str] = set()
        self.styles: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.add(tag)
        self.styles.append(found.get("style") or "")
        assert not any(name.startswith("on") for name in found)
        if found.get("data-tooltip"):
            self.said.append(json.loads(str(found["data-tooltip"])))
        if found.get("src"):
            self.sources.append(str(found["src"]))


def array(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def info_of(sample: int, rival: int | None, m: int = 16, name: str = "3") -> figures.EvidenceInfo:
    model = Model(initial_weight(m, 10, 3, 30.0), m=m)
    decision = predict(model, DIGITS.images[sample])
    mine = evidence(model, decision, 3)
    arrays = mine.weight.numpy(), mine.kernel.numpy(), mine.times.numpy(), mine.v_max, mine.t_max
    image = DIGITS.images[sample].numpy()
    if rival is None:
        return figures.EvidenceInfo(name, *arrays, image)
    other = evidence(model, decision, rival)
    return figures.EvidenceInfo(
        name, *arrays, image, str(rival), other.weight.numpy(), other.kernel.numpy(), other.v_max, other.t_max
    )


@pytest.mark.parametrize("rival", [None, 8])
@pytest.mark.parametrize("m", [3, 16, 64])
def test_a_map_tells_every_spike_of_every_pixel(m: int, rival: int | None) -> None:
    info = info_of(0, rival, m)
    markup = figures.evidence_html(info)
    (said,) = TooltipParser(markup).said
    spiking = info.times >= 0
    assert np.allclose(array(said["values"], "<f4"), info.by_pixel.reshape(-1), atol=1e-6)
    assert array(said["counts"], "<u2").tolist() == spiking.sum(axis=1).tolist()
    assert array(said["neurons"], "<u2").tolist() == (np.nonzero(spiking)[1] + 1).tolist()
    assert array(said["times"], "<f4").tolist() == info.times[spiking].tolist()
    columns = [info.weight, info.kernel] + ([] if rival is None else [info.rival_weight, info.rival_kernel])
    assert len(said["spikes"]) == len(columns)
    for encoded, column in zip(said["spikes"], columns, strict=True):
        assert column is not None
        assert np.array_equal(array(encoded["numbers"], "<f4"), column[spiking].astype("<f4"))
    assert [encoded["words"] for encoded in said["spikes"]][:2] == [" · 3: w ", ", K "]
    assert len(markup) < 4_000 + 36 * spiking.sum()


def test_a_map_is_the_values_in_colours_up_to_the_limit() -> None:
    info = info_of(0, 8)
    for limit in (None, 1000.0):
        source = TooltipParser(figures.evidence_html(info, 350, limit)).sources[0]
        drawn = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB")).astype(int)
        assert drawn.shape == (28, 28, 3)
        if limit:
            assert (np.abs(drawn - np.array(list(bytes.fromhex(theme.DIVERGING[2][1][1:])))) <= 2).all()
        else:
            most = np.unravel_index(np.abs(info.by_pixel).argmax(), (28, 28))
            wanted = theme.DIVERGING[-1 if info.by_pixel[most] > 0 else 0][1]
            assert tuple(drawn[most]) == tuple(bytes.fromhex(wanted[1:]))
            assert (drawn[..., 1] >= drawn[..., 0])[info.by_pixel > 0.02].all()


def test_the_outline_of_a_map_is_that_of_its_chart() -> None:
    info = info_of(2, None)
    line = base64.b64decode(TooltipParser(figures.evidence_html(info)).sources[1].split(",")[1]).decode()
    found = {tuple(map(float, piece)) for piece in re.findall(r"M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)", line)}
    across, down = figures.evidence_figure(info).data[1].x, figures.evidence_figure(info).data[1].y
    pieces = zip(across[::3], down[::3], across[1::3], down[1::3], strict=True)
    assert found == {tuple(value - 0.5 for value in piece) for piece in pieces}
    assert found


def test_names_are_only_words() -> None:
    parser = TooltipParser(figures.evidence_html(info_of(0, 8, name=HOSTILE)))
    assert parser.tags <= {"div", "span", "img", "b", "sub", "sup"}
    assert all(source.startswith("data:image/") for source in parser.sources)
    assert "onerror" in json.dumps(parser.said)


def test_the_scale_is_as_tall_as_the_map() -> None:
    looks = TooltipParser(figures.evidence_html(info_of(0, None))).styles
    assert "display:flex" in looks[0] and "align-items" not in looks[0]
    assert not any("height" in look for look in looks if "linear-gradient" in look)
