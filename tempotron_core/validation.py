"""Checks of arguments at the public boundary: each message says what was expected, what was given and what to do."""

from __future__ import annotations

import math
import numbers

import torch

__all__ = ["check_time_constants", "finite_tensor", "one_line_error", "one_of", "positive_integer", "positive_real"]

_INT32_MAX = 2**31 - 1  # spikes, bins and afferents are counted in int32
_MIN_TIME_CONSTANT, _MAX_TIME_CONSTANT = (
    1e-3,
    1e6,
)  # ms; outside them the exponentials of the kernel lose all their digits


def positive_integer(name: str, value: object, *, minimum: int = 1, maximum: int = _INT32_MAX) -> int:
    """Return value as an int from minimum to maximum.

    Raises:
        TypeError: for anything but an integer.
        ValueError: outside the range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(
            f"{name}: expected an integer of at least {minimum}, got {_describe_value(value)}; pass a whole number."
        )
    if value < minimum:
        raise ValueError(f"{name}: expected an integer of at least {minimum}, got {value}; choose {minimum} or more.")
    if int(value) > maximum:
        got = f"{value:,}" if int(value) < 10**30 else "a number of more than 30 digits"
        raise ValueError(f"{name}: expected an integer of at most {maximum:,}, got {got}; choose a smaller one.")
    return int(value)


def positive_real(name: str, value: object, *, minimum: float = 0.0, maximum: float = math.inf) -> float:
    """Return value as a finite float above 0 and, where given, from minimum to maximum.

    Raises:
        TypeError: for anything but a number.
        ValueError: outside the range.
    """
    if isinstance(value, torch.Tensor) and value.numel() == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}: expected a number above 0, got {_describe_value(value)}; pass a float.")
    try:
        number = float(value)
    except OverflowError:  # an integer of hundreds of digits
        number = math.inf
    if not math.isfinite(number) or number <= 0:
        raise ValueError(f"{name}: expected a finite number above 0, got {number:g}; choose a positive value.")
    if not minimum <= number <= maximum:
        raise ValueError(f"{name}: expected a number from {minimum:g} to {maximum:g}, got {number:g}; choose another.")
    return number


def one_of(name: str, value: object, choices: tuple[str, ...]) -> str:
    """Return value if it is one of the choices.

    Raises:
        ValueError: for anything else.
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(
            f"{name}: expected one of {', '.join(choices)}, got {_describe_value(value)}; choose one of these."
        )
    return value


def check_time_constants(tau: object, tau_s: object) -> tuple[float, float]:
    """Return both time constants as floats in ms.

    Raises:
        TypeError: for anything but numbers.
        ValueError: unless both are positive and different.
    """
    slow, fast = (
        positive_real(name, value, minimum=_MIN_TIME_CONSTANT, maximum=_MAX_TIME_CONSTANT)
        for name, value in (("tau (ms)", tau), ("tau_s (ms)", tau_s))
    )
    if slow == fast:
        raise ValueError(
            f"tau, tau_s: expected two different time constants, got {slow:g} ms for both; the usual tau_s is tau/4."
        )
    return slow, fast


def finite_tensor(name: str, value: object, shape: tuple[int | str, ...]) -> torch.Tensor:
    """Return value if it is a floating-point tensor of the given shape without NaN or infinity.

    Args:
        name: name of the argument, for the message
        value: tensor to check
        shape: sizes; an int for a fixed size, a name such as "batch" for a free one

    Raises:
        TypeError: for anything but a real floating-point tensor.
        ValueError: for another shape or a value that is not finite.
    """
    wanted = "[" + ", ".join(map(str, shape)) + "]"
    if not isinstance(value, torch.Tensor):
        raise TypeError(
            f"{name}: expected a floating-point tensor {wanted}, got {_describe_value(value)}; pass a torch.Tensor."
        )
    if not value.is_floating_point():
        raise TypeError(
            f"{name}: expected a floating-point tensor {wanted}, got {value.dtype}; convert it with .float()."
        )
    fits = value.dim() == len(shape) and all(
        isinstance(size, str) or size == got for size, got in zip(shape, value.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name}: expected shape {wanted}, got {list(value.shape)}; reshape the input.")
    # A finite sum has finite terms; it is one quick pass, and seldom overflows where they are.
    if not math.isfinite(float(value.detach().sum())) and not bool(torch.isfinite(value).all()):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(
            f"{name}: expected finite values, got {bad} NaN or infinite of {value.numel()}; clean the input first."
        )
    return value


def _describe_value(value: object) -> str:
    text = repr(value).replace("\n", " ")
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"


def one_line_error(error: BaseException) -> str:
    """Return the message of an error on one line of at most 120 characters."""
    return " ".join(str(getattr(error, "strerror", None) or error or type(error).__name__).split())[:120]
