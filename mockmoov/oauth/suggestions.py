"""Suggestions for misspelt names: "did you mean ...?"."""

from collections.abc import Callable, Iterable


def nearest(
    name: str, known: Iterable[str], spell: Callable[[str], str] = str, *, likeness: float = 0.6
) -> str:
    """Format `; did you mean ...?` with the most similar known name, or return "" if none is similar.

    `spell` turns the known name into the text to suggest; `likeness` is the minimum similarity, 0 to 1.
    """
    from difflib import get_close_matches  # noqa: PLC0415 - imported only when there is a mistake

    matches = get_close_matches(name[:100], list(known), n=1, cutoff=likeness)
    return "".join(f"; did you mean {spell(match)}?" for match in matches)
