"""Paper of a photographed digit: the sheet on a desk, and the brightness that it has without ink.

Pixels that are reached from the border without crossing a sharp edge are paper, whatever the light. The rest is
interpolated from them.
"""

from __future__ import annotations

import cv2
import numpy as np

from tempotron_core.data.ink import odd_size

__all__ = ["estimate_background", "find_paper"]

_SMALL_SIDE = 256  # the background is smooth: it is estimated at this size
_EDGE = 14.0  # grey values between pixels two apart at that size: ink has sharper edges, light has not
_SHADOW_RATIO, _WIDE_SHADOW_RATIO = 0.5, 0.3  # brightness under which a dark area at the border is ink, not shadow
_WIDE_SHARE = 0.2  # of the border: a stroke that is cut off is narrower

_MIN_PAPER_SHARE, _MAX_PAPER_SHARE = 0.06, 0.95
_MIN_STRIP_SHARE = 0.12  # of the border
_MIN_POLYGON_OVERLAP = 0.93
_MIN_PAPER_CONTRAST = 25.0


def _shrink(image: np.ndarray, side: int = _SMALL_SIDE) -> np.ndarray:
    factor = max(image.shape[:2]) / side
    if factor <= 1:
        return image
    height, width = (max(1, round(n / factor)) for n in image.shape[:2])
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def _border(image: np.ndarray) -> np.ndarray:
    return np.concatenate([image[0], image[-1], image[1:-1, 0], image[1:-1, -1]])


def find_paper(grey: np.ndarray) -> np.ndarray | None:
    """Return the mask of a sheet on a desk: a large convex polygon with sharp edges and something drawn on it.

    Args:
        grey: brightness, float32 [h, w]

    Returns:
        bool [h, w], or None where the whole picture is paper.
    """
    small = _shrink(grey)
    side = max(small.shape)
    if min(small.shape) < 40:
        return None
    smooth = cv2.medianBlur(np.clip(small, 0, 255).astype(np.uint8), 5)
    _, bright = cv2.threshold(smooth, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    best: np.ndarray | None = None
    best_area = 0.0
    for candidate in (bright, 255 - bright):
        desk_share = float((_border(candidate) == 0).mean())
        paper_level, desk_level = (float(np.median(smooth[part])) if part.any() else 0.0
                                   for part in (candidate > 0, candidate == 0))  # fmt: skip
        # A shadow covers one side and leaves half of the light; a desk on that side must be much darker or lighter.
        ratio = min(paper_level, desk_level) / max(paper_level, desk_level, 1.0)
        least = _MIN_STRIP_SHARE if ratio < 0.4 else 0.5 if ratio < 0.45 else 0.7
        if desk_share < least:
            continue
        contours, _ = cv2.findContours(candidate, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not contours:
            continue
        contour = max(contours, key=cv2.contourArea)
        mask = np.zeros(small.shape, np.uint8)
        cv2.drawContours(mask, [contour], -1, 255, cv2.FILLED)
        area = float((mask > 0).mean())
        if not _MIN_PAPER_SHARE < area < _MAX_PAPER_SHARE or area < best_area:
            continue
        if not _is_polygon(contour, mask) or not _is_sheet(smooth, mask, candidate):
            continue
        best, best_area = mask, area
    if best is None:
        return None
    # The edge of the sheet, its shadow and its blur belong to the desk.
    inner = cv2.erode(cv2.copyMakeBorder(best, 1, 1, 1, 1, cv2.BORDER_REPLICATE), np.ones((3, 3), np.uint8),
                      iterations=max(2, side // 100), borderType=cv2.BORDER_REPLICATE)[1:-1, 1:-1]  # fmt: skip
    whole = cv2.resize(inner, (grey.shape[1], grey.shape[0]), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole > 0)


def _is_polygon(contour: np.ndarray, mask: np.ndarray) -> bool:
    """Return whether the area is convex with at most six corners; a digit, a vignette and a spot of light are not."""
    hull = cv2.convexHull(contour)
    corners = cv2.approxPolyDP(hull, 0.025 * cv2.arcLength(hull, True), True)
    if not 4 <= len(corners) <= 6:
        return False
    polygon = np.zeros_like(mask)
    cv2.fillConvexPoly(polygon, corners, 255)
    overlap = np.count_nonzero(polygon & mask) / np.count_nonzero(polygon | mask)
    return bool(overlap >= _MIN_POLYGON_OVERLAP)


def _is_sheet(smooth: np.ndarray, mask: np.ndarray, candidate: np.ndarray) -> bool:
    """Return whether an area has a sharp edge, is mostly paper, and holds ink."""
    kernel = np.ones((3, 3), np.uint8)
    inside = cv2.erode(mask, kernel, iterations=4)
    ring_in = (cv2.erode(mask, kernel, iterations=2) > 0) & (inside == 0)
    ring_out = (cv2.dilate(mask, kernel, iterations=5) > 0) & (cv2.dilate(mask, kernel, iterations=2) == 0)
    if not ring_in.any() or not ring_out.any() or not inside.any():
        return False
    paper = float(np.median(smooth[inside > 0]))
    desk = float(np.median(smooth[mask == 0]))
    step = abs(float(np.median(smooth[ring_in])) - float(np.median(smooth[ring_out])))
    if step < _MIN_PAPER_CONTRAST or step < 0.6 * abs(paper - desk):
        return False
    if float((candidate[mask > 0] > 0).mean()) < 0.55:
        return False
    deviation = np.abs(smooth[inside > 0].astype(np.float32) - paper)
    return float((deviation > max(24.0, 0.25 * abs(paper - desk))).mean()) > 0.001


def estimate_background(grey: np.ndarray, inside: np.ndarray, dark_ink: bool | None) -> tuple[np.ndarray, bool]:
    """Return the brightness that the paper would have without ink, and whether the ink is darker than it.

    Args:
        grey: brightness, float32 [h, w]
        inside: what is paper and not desk, bool [h, w]
        dark_ink: polarity; None takes it from the strongest deviations

    Returns:
        float32 [h, w] and the polarity.
    """
    mask = _shrink(inside.astype(np.float32)) > 0.99
    small = _shrink(np.where(inside, grey, 0).astype(np.float32))
    if not mask.any():
        mask = np.ones_like(mask)
    smooth = cv2.medianBlur(np.clip(small, 0, 255).astype(np.uint8), 3).astype(np.float32)
    paper = _reach_from_border(smooth, mask, dark_ink)
    background = _interpolate(smooth, paper)
    deviation = np.where(mask & ~paper, smooth - background, 0)
    if dark_ink is None:
        strong = np.abs(deviation) > 0.5 * float(np.abs(deviation).max(initial=0))
        dark_ink = float(deviation[strong].sum()) <= 0
    # Leaves out what still differs from the first estimate: faint ink that was reached from the border.
    noise = 1.4826 * float(np.median(np.abs((smooth - background)[paper]))) if paper.any() else 0.0
    sign = -1.0 if dark_ink else 1.0
    deviation = smooth - background
    paper &= sign * deviation < max(6.0, 4 * noise)
    # Adds the cells of squared paper and the holes of digits, which nothing but ink separates from the rest.
    paper |= mask & _is_flat(smooth) & (np.abs(deviation) < np.maximum(6.0, 0.12 * background))
    if paper.any():
        background = _interpolate(smooth, paper)
    size = (grey.shape[1], grey.shape[0])
    return np.asarray(cv2.resize(background, size, interpolation=cv2.INTER_LINEAR)), bool(dark_ink)


def _is_flat(smooth: np.ndarray) -> np.ndarray:
    """Return where no sharp edge is, bool [h, w]."""
    kernel = np.ones((3, 3), np.uint8)
    edges = cv2.dilate(smooth, kernel) - cv2.erode(smooth, kernel)
    # Not the median: the lines of squared paper touch more than half of the pixels.
    rough = float(np.percentile(edges, 20))
    return np.asarray(edges < max(_EDGE, 3.5 * rough))


def _reach_from_border(smooth: np.ndarray, mask: np.ndarray, dark_ink: bool | None) -> np.ndarray:
    """Return the pixels that belong to paper: connected with the border without a sharp edge between."""
    kernel = np.ones((3, 3), np.uint8)
    flat = _is_flat(smooth) & mask
    count, labels = cv2.connectedComponents(flat.astype(np.uint8), connectivity=4)
    rim = mask & (cv2.erode(np.pad(mask, 1).astype(np.uint8), kernel, iterations=2)[1:-1, 1:-1] == 0)
    lengths = np.bincount(labels[rim], minlength=count)
    lengths[0] = 0
    if not lengths.any():
        return mask
    levels = [float(np.median(smooth[labels == k])) if lengths[k] else 0.0 for k in range(count)]
    touching = [k for k in range(1, count) if lengths[k]]
    if dark_ink is None:
        # Cells of squared paper are many short parts of the border; a line that runs along it is one long part.
        main = max(touching, key=lambda k: sum(lengths[j] for j in touching if abs(levels[j] - levels[k]) < 25))
    else:
        long = [k for k in touching if lengths[k] > 0.15 * lengths.max()]
        main = (max if dark_ink else min)(long, key=levels.__getitem__)
    whole = float(lengths.sum())
    chosen = [k for k in touching if _is_same_paper(levels[k], levels[main], lengths[k] / whole)]
    return np.isin(labels, chosen)


def _is_same_paper(level: float, main: float, share: float) -> bool:
    """Return whether an area at the border is the main one in another light, and not a stroke that is cut off."""
    low, high = min(level, main), max(level, main)
    if main < 100:  # a board: chalk is much lighter, glare is not
        return high - low < 50
    return low > (_WIDE_SHADOW_RATIO if share > _WIDE_SHARE else _SHADOW_RATIO) * high


def _interpolate(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return the values with unknown pixels filled from the known ones around them, the nearest scale first."""
    filled = np.where(known, values, 0).astype(np.float32)
    weight = known.astype(np.float32)
    result = np.full(values.shape, float(np.median(values[known])) if known.any() else float(np.median(values)))
    side = max(values.shape)
    for share_of_side in (1 / 4, 1 / 8, 1 / 16, 1 / 40):
        mean, total = (_blur(part, share_of_side * side) for part in (filled, weight))
        share = np.clip(total / 0.25, 0, 1)
        result = result * (1 - share) + share * (mean / np.maximum(total, 1e-6))
    result = np.where(known, values, result)
    window = odd_size(side / 14)
    return cv2.medianBlur(np.clip(np.round(result), 0, 255).astype(np.uint8), window).astype(np.float32)


def _blur(values: np.ndarray, sigma: float) -> np.ndarray:
    """Return the values smoothed by a Gaussian, zero outside; a wide one is applied at a reduced size."""
    factor = max(1, int(sigma // 4))
    height, width = values.shape
    small = values
    if factor > 1:
        size = max(1, width // factor), max(1, height // factor)
        small = cv2.resize(values, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma / factor, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(small if factor == 1 else cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR))
