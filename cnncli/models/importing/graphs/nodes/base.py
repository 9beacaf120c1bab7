"""What the translations of operations share."""

from collections.abc import Callable

from cnncli.models.importing.graphs.translation import Translation
from cnncli.models.importing.imported import NotANetworkError

Translator = Callable[[Translation], None]


def need(condition: bool, otherwise: str) -> None:
    """Check that the notation can say a node.

    Raises:
        NotANetworkError: it cannot; the message is `otherwise`.
    """
    if not condition:
        raise NotANetworkError(otherwise)


def word(t: Translation, name: str, default: str) -> str:
    """Return a setting of the node that is a word."""
    return str(t.step.call.node.attributes.get(name, default))
