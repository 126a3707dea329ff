"""Data sets in folders of pictures, one folder for each class."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from tempotron_core.data.samples import MAX_BYTES, MAX_FEATURES, DataError

__all__ = ["PICTURE_SUFFIXES", "Pictures", "read_picture_folders"]

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".pgm", ".ppm", ".webp", ".tif", ".tiff")
"""Endings of pictures in the folders of classes."""

_DEEP_MODES = ("I", "F", "I;16", "I;16L", "I;16B")
_PICTURE_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")
_MAX_PICTURES = 100_000


class Pictures(NamedTuple):
    """Pictures [n, h, w] or [n, h, w, 3], the names of their folders [n], and notes."""

    x: np.ndarray
    y: np.ndarray
    notes: tuple[str, ...]


def read_picture_folders(folder: Path) -> Pictures:
    """Read the pictures in the folders of a folder, one for each class.

    Raises:
        DataError: for pictures of several sizes, too many or too large ones, and other files.
    """
    files: list[tuple[str, Path]] = []
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink())
    for entry in (entry for entry in classes if not entry.name.startswith(".")):
        pictures = sorted(file for file in entry.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
        files += [(entry.name, file) for file in pictures if file.is_file() and not file.is_symlink()]
        if len(files) > _MAX_PICTURES:
            raise DataError(f"{folder.name}: expected at most {_MAX_PICTURES:,} pictures, got more; choose fewer.")
    if not files:
        contains = ", ".join(sorted(entry.name[:40] for entry in itertools.islice(folder.iterdir(), 6))) or "nothing"
        raise DataError(
            f"{folder.name}: expected a folder of pictures for each class, found no pictures (folder holds "
            f"{contains}); sort {', '.join(PICTURE_SUFFIXES)} into folders named by class, or choose a file."
        )
    values: np.ndarray | None = None
    has_colour = has_transparency = is_deep = False
    for i, (_, file) in enumerate(files):
        try:
            with Image.open(file, formats=_PICTURE_FORMATS) as picture:
                width, height = picture.size
                if values is None:
                    _check_picture_size(file, width, height, len(files))
                    values = np.empty((len(files), height, width, 3), np.uint8)
                if (height, width) != values.shape[1:3]:
                    raise DataError(
                        f"{file.parent.name}/{file.name}: expected pictures of one size, {values.shape[2]} x "
                        f"{values.shape[1]} as in the first, got {width} x {height}; scale them to one size."
                    )
                has_colour = has_colour or picture.mode not in ("1", "L", "LA", *_DEEP_MODES)
                is_deep = is_deep or picture.mode in _DEEP_MODES
                has_transparency = has_transparency or _is_transparent(picture)
                values[i] = _to_rgb(picture)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise DataError(
                f"{file.parent.name}/{file.name}: expected a picture ({', '.join(_PICTURE_FORMATS)}), got a file that "
                f"cannot be read as one ({type(error).__name__}); remove or replace it."
            ) from error
    assert values is not None
    is_grey = not has_colour or all((values[..., 0] == values[..., c]).all() for c in (1, 2))
    notes = ["Transparent pixels were made white."] if has_transparency else []
    notes += ["Of grey values of 16 bits the upper 8 are kept."] if is_deep else []
    return Pictures(values[..., 0] if is_grey else values, np.array([name for name, _ in files]), tuple(notes))


def _is_transparent(picture: Image.Image) -> bool:
    return picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info


def _to_rgb(picture: Image.Image) -> np.ndarray:
    """Return the pixels, uint8 [h, w, 3]; of 16 bits the upper 8, as Pillow would cut off all values above 255."""
    if picture.mode in _DEEP_MODES:
        deep = np.asarray(picture)
        if picture.mode == "F" or deep.min() < 0 or deep.max() >= 2**16:
            raise ValueError("values beyond 16 bits")
        return np.repeat((deep.astype(np.int64) >> 8).astype(np.uint8)[..., None], 3, axis=2)
    if not _is_transparent(picture):
        return np.asarray(picture.convert("RGB"))
    rgba = picture.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return np.asarray(white.convert("RGB"))


def _check_picture_size(file: Path, width: int, height: int, count: int) -> None:
    if width * height > MAX_FEATURES or 3 * width * height * count > MAX_BYTES:
        raise DataError(
            f"{file.parent.name}/{file.name}: expected pictures of at most {MAX_FEATURES:,} pixels, and 1 GiB in all, "
            f"got {count:,} of {width:,} x {height:,}; scale them down."
        )
