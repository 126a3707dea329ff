"""Changes of the learning rate during a run, as text: "3:1e-4,6:1e-5" holds after 3 and after 6 epochs."""

from __future__ import annotations

from tempotron_core.validation import positive_real

__all__ = ["add_rate_change", "parse_rate_changes", "rate_after"]


def parse_rate_changes(text: str | None) -> tuple[tuple[int, float], ...]:
    """Return pairs of epochs done and the learning rate from then on, in order.

    Raises:
        ValueError: for a text that cannot be read, and for rates out of range.
    """
    if text is None:
        return ()
    pairs = []
    for part in text.split(",") if isinstance(text, str) else [text]:
        epochs, _, rate = str(part).strip().partition(":")
        try:
            pair = int(epochs), float(rate)
        except ValueError:
            raise ValueError(
                f"lr_changes: expected EPOCHS:RATE separated by commas, such as 3:1e-4,6:1e-5, got {text!r:.80}; "
                "correct it."
            ) from None
        positive_real("lr_changes, rate", pair[1], maximum=1e38)
        pairs.append(pair)
    if [epochs for epochs, _ in pairs] != sorted({epochs for epochs, _ in pairs}) or pairs[0][0] < 0:
        raise ValueError(
            f"lr_changes: expected numbers of epochs that increase from 0, got {text!r:.80}; correct them."
        )
    return tuple(pairs)


def rate_after(lr: float, changes: str | None, epochs_done: int) -> float:
    """Return the learning rate of the epoch that follows this many epochs, before the factor of the schedule."""
    for epochs, rate in parse_rate_changes(changes):
        if epochs <= epochs_done:
            lr = rate
    return lr


def add_rate_change(changes: str | None, epochs_done: int, lr: float) -> str:
    """Return the changes with one more after this many epochs; later ones are left out."""
    pairs = [(epochs, rate) for epochs, rate in parse_rate_changes(changes) if epochs < epochs_done]
    return ",".join(f"{epochs}:{rate!r}" for epochs, rate in [*pairs, (epochs_done, float(lr))])
