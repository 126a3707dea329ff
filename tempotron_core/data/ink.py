"""Separate the digit from other ink: threshold, ruling, specks and stroke width of a photographed digit.

OpenCV (headless) does the filters: its wheel needs NumPy alone, while scikit-image brings SciPy, NetworkX and four
more; medians with large windows, distance transforms and connected components take milliseconds at these sizes.

Ruling: Duda RO, Hart PE. Use of the Hough transformation to detect lines and curves in
pictures. Communications of the ACM 15(1), 11-15, 1972. Threshold: Otsu N. A threshold selection method from gray-level
histograms. IEEE Transactions on Systems, Man, and Cybernetics 9(1), 62-66, 1979.
"""

from __future__ import annotations

import cv2
import numpy as np

__all__ = [
    "normalise_stroke_width",
    "odd_size",
    "otsu_threshold",
    "remove_ruling",
    "select_components",
    "stroke_width",
]

_MIN_RULE_SPAN = 0.6  # of the side
_RULE_ANGLE = 6.0  # degrees that ruling may be turned

_BOX = 20
_MIN_STROKE, _MAX_STROKE = 1.9, 4.2
"""Widths in pixels of a box of 20 x 20: 5 % of MNIST's digits have thinner strokes, 5 % wider ones."""


def odd_size(value: float) -> int:
    """Return the odd number next to a value, at least 3: the side of a filter."""
    return max(3, 2 * round((value - 1) / 2) + 1)


def otsu_threshold(values: np.ndarray) -> float:
    """Return the threshold that separates two classes of values in 0..1 best."""
    levels = np.clip(values * 255, 0, 255).astype(np.uint8).reshape(-1, 1)
    return float(cv2.threshold(levels, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)[0]) / 255


def remove_ruling(ink: np.ndarray, low: float) -> tuple[np.ndarray, int]:
    """Return the ink without the lines of ruled or squared paper, and the number of lines.

    Strokes that cross a line stay: only where the ink is as thin as the line is it removed.

    Args:
        ink: strength, float32 [h, w]
        low: strength above which a pixel can belong to a line
    """
    mask = (ink > low).astype(np.uint8)
    removed = np.zeros(mask.shape, bool)
    count = 0
    across = _find_rules(mask)
    along = _find_rules(np.ascontiguousarray(mask.T))
    if len(across) < 2 and len(along) < 2:
        return ink, 0
    for lines, transposed in ((across, False), (along, True)):
        view = np.ascontiguousarray(mask.T) if transposed else mask
        target = removed.T if transposed else removed
        for intercept, slope in lines:
            _mark_rule(view, target, intercept, slope)
            count += 1
    rest = np.where(removed, 0, ink).astype(np.float32)
    if float(rest.max()) <= low:
        return ink, 0
    return rest, count


def _find_rules(mask: np.ndarray) -> list[tuple[float, float]]:
    """Return intercept and slope of each long line that is nearly horizontal."""
    height, width = mask.shape
    # A line is thin: the interior of thick strokes would vote for lines that do not exist.
    thick = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((odd_size(height / 60 + 3), 1), np.uint8))
    thin = ((mask > 0) & (thick == 0)).astype(np.uint8)
    length = _MIN_RULE_SPAN * width
    found = cv2.HoughLinesP(
        thin, 1, np.pi / 720, max(10, int(0.35 * width)), minLineLength=length, maxLineGap=max(4, int(0.3 * width))
    )
    if found is None:
        return []
    lines: list[tuple[float, float]] = []
    for x0, y0, x1, y1 in found.reshape(-1, 4).astype(float):
        if x0 == x1 or abs(np.degrees(np.arctan((y1 - y0) / (x1 - x0)))) > _RULE_ANGLE:
            continue
        slope = (y1 - y0) / (x1 - x0)
        intercept = y0 - slope * x0
        middle = intercept + slope * width / 2
        if all(abs(middle - (a + b * width / 2)) > 4 for a, b in lines):
            lines.append((float(intercept), float(slope)))
    return lines


def _mark_rule(mask: np.ndarray, removed: np.ndarray, intercept: float, slope: float) -> None:
    """Mark the pixels of one line where the column's run of ink is not longer than the line is thick."""
    height, width = mask.shape
    reach = max(4, height // 40)
    columns = np.arange(width)
    rows = np.round(intercept + slope * columns).astype(int)
    offsets = np.arange(-reach, reach + 1)
    at = rows[:, None] + offsets
    valid = (at >= 0) & (at < height)
    values = (mask[np.clip(at, 0, height - 1), columns[:, None]] > 0) & valid
    # The run of ink around the line in each column; the line itself may lie one pixel off.
    nearest = np.argmin(np.where(values, np.abs(offsets), 99), axis=1)
    hit = values[columns, nearest] & (np.abs(offsets[nearest]) <= 3)
    gap = ~values
    before = np.where(gap & (np.arange(2 * reach + 1) < nearest[:, None]), np.arange(2 * reach + 1), -1).max(axis=1)
    after = np.where(gap & (np.arange(2 * reach + 1) > nearest[:, None]), np.arange(2 * reach + 1), 2 * reach + 1)
    start, end = before + 1, after.min(axis=1)
    lengths = end - start
    if not hit.any():
        return
    thickness = float(np.median(lengths[hit]))
    thin = hit & (lengths <= 1.5 * thickness + 1)
    spread = np.arange(2 * reach + 1)
    erase = thin[:, None] & (spread >= start[:, None] - 1) & (spread <= end[:, None]) & valid
    c, o = np.nonzero(erase)
    removed[at[c, o], c] = True


def select_components(mask: np.ndarray, strength: np.ndarray) -> tuple[np.ndarray, int, int]:
    """Return the mask of the digit, the number of specks left out, and that of large shapes left out.

    The digit is the heaviest shape with what lies close to it and is not tiny beside it.

    Args:
        mask: bool [h, w]
        strength: ink, float32 [h, w]
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    if count <= 2:
        return mask, 0, 0
    mass = np.bincount(labels.ravel(), weights=strength.ravel(), minlength=count)
    mass[0] = 0
    height, width = mask.shape
    left, top = stats[:, cv2.CC_STAT_LEFT], stats[:, cv2.CC_STAT_TOP]
    right, bottom = left + stats[:, cv2.CC_STAT_WIDTH], top + stats[:, cv2.CC_STAT_HEIGHT]
    touches = (left == 0) | (top == 0) | (right == width) | (bottom == height)
    inner = mass * ~touches
    # A shadow or a finger at the edge can be heavier than the digit; a digit is not a fortieth of it.
    main = int(inner.argmax()) if inner.max() > 0.15 * mass.max() else int(mass.argmax())
    kept = {main}
    box = [left[main], top[main], right[main], bottom[main]]
    grown = True
    while grown:
        grown = False
        reach = 0.25 * max(box[2] - box[0], box[3] - box[1])
        for k in range(1, count):
            if k in kept or mass[k] < 0.02 * mass[main]:
                continue
            gap_x = max(left[k] - box[2], box[0] - right[k], 0)
            gap_y = max(top[k] - box[3], box[1] - bottom[k], 0)
            if max(gap_x, gap_y) <= reach and not (touches[k] and not touches[main]):
                kept.add(k)
                box = [min(box[0], left[k]), min(box[1], top[k]), max(box[2], right[k]), max(box[3], bottom[k])]
                grown = True
    others = [k for k in range(1, count) if k not in kept]
    large = sum(bool(mass[k] > 0.3 * mass[main]) for k in others)
    return np.isin(labels, list(kept)), len(others) - large, large


def stroke_width(mask: np.ndarray) -> float:
    """Return the mean width of strokes in pixels: four times the mean distance from the edge."""
    padded = np.pad(mask, 1).astype(np.uint8)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)
    inside = distance[padded > 0]
    return 4 * float(inside.mean()) - 1 if inside.size else 0.0


def normalise_stroke_width(ink: np.ndarray) -> tuple[np.ndarray, float]:
    """Return a tightly cropped digit with strokes of about MNIST's width, and their width before in a box of 20.

    The width is 0 for a picture that is too small to measure it.

    Args:
        ink: strength 0..1, float32 [h, w]
    """
    side = max(ink.shape)
    if side < 2 * _BOX:  # too few pixels to measure a width
        return ink, 0.0
    width = stroke_width(ink > 0.5) * _BOX / side
    target = min(width, _MAX_STROKE)
    if width < _MIN_STROKE:
        # A pen thinner than any of MNIST's is given the usual width; without a jump at the limit.
        target = _MIN_STROKE + 0.8 * (_MIN_STROKE - width)
    if target == width or width <= 0:
        return ink, max(width, 0.0)
    # Half of the change on either side; a wider stroke also widens the box.
    share = (target - width) / (2 * _BOX - (2 * target if width < target else 0))
    radius = abs(share) * side
    reach = int(np.floor(radius + 0.3))
    if reach == 0:
        return ink, width
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    kernel = (np.hypot(rows, columns) <= radius + 0.3).astype(np.uint8)
    padded = np.pad(ink, reach + 1)
    if width < target:
        return cv2.dilate(padded, kernel), width
    thinner = cv2.erode(padded, kernel)
    return (thinner if float(thinner.max()) > 0.5 else ink), width
