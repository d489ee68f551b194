"""Owns how a wrong name is answered. Must not know what the names stand for."""

from collections.abc import Callable, Iterable


def nearest(
    name: str, known: Iterable[str], spell: Callable[[str], str] = str, *, likeness: float = 0.6
) -> str:
    """`; did you mean ...?` with the known name that is nearest, or nothing if none is that much alike."""
    from difflib import get_close_matches  # noqa: PLC0415 - only mistakes pay for it

    near = get_close_matches(name[:100], list(known), n=1, cutoff=likeness)
    return "".join(f"; did you mean {spell(match)}?" for match in near)
