"""Small pictures of the steps from a photograph to a digit of MNIST."""

from __future__ import annotations

import cv2
import numpy as np

from tempotron_core.data.digit_normalisation import NormalisedDigit, ReadingSteps

__all__ = ["illustrate", "summarise"]

_SIDE = 240
_FRAME_COLOUR = (232, 89, 12)


def illustrate(digit: NormalisedDigit) -> list[tuple[str, np.ndarray]]:
    """Return name and picture of each step, uint8 [h, w] or [h, w, 3], at most 240 pixels a side.

    The steps are the picture with the paper framed, the evened brightness with the digit framed, the mask of the ink,
    the digit scaled to 20 x 20, and the result of 28 x 28 centred by its mass.
    """
    steps = digit.steps
    on_paper = np.repeat(steps.paper[..., None], 3, axis=2)
    return [
        ("Picture, paper framed", _frame(steps.picture, steps.paper_box)),
        ("Paper, digit framed", _frame(on_paper, steps.box)),
        ("Ink", _shrink(steps.ink.astype(np.uint8) * 255)),
        ("Box of 20 x 20", steps.scaled),
        ("Centred by mass, 28 x 28", digit.image),
    ]


def summarise(steps: ReadingSteps, inverted: bool) -> str:
    """Return in words what was done to the picture, one sentence."""
    whole = steps.picture.shape[:2]
    top, left, bottom, right = steps.paper_box
    parts = [f"Read as {'dark on light' if inverted else 'light on dark'}"]
    if (bottom - top, right - left) != whole:
        parts.append(f"from {right - left} x {bottom - top} of {whole[1]} x {whole[0]} pixels")
    if steps.num_rules:
        parts.append(f"{steps.num_rules} lines of the paper removed")
    if steps.num_specks:
        parts.append(f"{steps.num_specks} {'speck' if steps.num_specks == 1 else 'specks'} left out")
    if steps.stroke_width:
        parts.append(f"strokes {steps.stroke_width:.1f} pixels wide in a box of 20 x 20")
    return ", ".join(parts) + "."


def _shrink(picture: np.ndarray) -> np.ndarray:
    factor = max(picture.shape[:2]) / _SIDE
    if factor <= 1:
        return picture
    height, width = (max(1, round(side / factor)) for side in picture.shape[:2])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA))


def _frame(picture: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
    """Return a small copy with a frame around a box of the large picture."""
    small = np.ascontiguousarray(_shrink(picture)).copy()
    scale = small.shape[0] / picture.shape[0], small.shape[1] / picture.shape[1]
    top, left, bottom, right = (round(at * scale[axis % 2]) for axis, at in enumerate(box))
    corner = min(right, small.shape[1]) - 1, min(bottom, small.shape[0]) - 1
    cv2.rectangle(small, (left, top), corner, _FRAME_COLOUR, 1 if max(small.shape) < 100 else 2)
    return small
