"""Fourth view of the page "Encoder": what a neighbourhood tells that a single pixel does not."""

from pages.state.experiment import View


def render(view: View, T: int) -> None:
    """Show pixels and patterns side by side."""
