"""Writes docs/messages.md: every message of mockmoov with its cause and its cure.

`python -m tools.messages`, or `make messages`. `tools/message_templates.py` collects the messages from the
source; their sections, causes and cures are in `tools/messages.toml`. If the two disagree, it writes nothing,
and prints what to change there, with entries to paste.
"""

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import msgspec

from tools.markdown import line
from tools.message_templates import ROOT, collect

DATA = Path(__file__).with_suffix(".toml")
PAGE = ROOT / "docs" / "messages.md"
_HINT = r"(?:[;:,] .*| \(replace .*)?"  # what may follow a message: a hint, or the wrong value


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages with one cause and one cure; the cause is empty if the messages say it."""

    texts: list[str]
    cause: str
    cure: str


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A section of the page."""

    title: str
    intro: str
    messages: list[Entry]


class Unlisted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Messages that aren't on the page, and why: nobody sees them alone, for example."""

    texts: list[str]
    why: str


class Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `messages.toml`."""

    head: str
    sections: list[Section]
    unlisted: list[Unlisted]

    def entries(self) -> Iterator[Entry]:
        """Those of all sections."""
        return (entry for section in self.sections for entry in section.messages)

    def listed(self) -> list[str]:
        """The messages on the page."""
        return [text for entry in self.entries() for text in entry.texts]

    def texts(self) -> list[str]:
        """All messages, on the page or not."""
        return [*self.listed(), *(text for group in self.unlisted for text in group.texts)]


def read_data() -> Data:
    """Read `messages.toml`."""
    return msgspec.convert(tomllib.loads(DATA.read_text(encoding="utf-8")), Data)


def problems(found: Mapping[str, str], data: Data) -> list[str]:
    """What to change in `messages.toml` so that it has each message of the code once, and no other."""
    known = data.texts()
    new = [text for text in found if text not in known]
    stale = [text for text in dict.fromkeys(known) if text not in found]
    repeated = {text for text in known if known.count(text) > 1}
    return [
        *(_about_new(text, found[text], stale, data) for text in new),
        *(f"{DATA.name}: the code has no message {json.dumps(text)}: remove it" for text in stale),
        *(f"{DATA.name}: the message {json.dumps(text)} is there twice" for text in sorted(repeated)),
    ]


def _about_new(text: str, place: str, stale: Sequence[str], data: Data) -> str:
    """Where a message without an entry is made, and an entry to paste: a similar stale one's, if any."""
    before = next(iter(get_close_matches(text, stale, n=1, cutoff=0.5)), None)
    entry = next((entry for entry in data.entries() if before in entry.texts), Entry([], "", ""))
    instead = f"; it may replace {json.dumps(before)}" if before else ""
    members = {"texts": [text], "cause": entry.cause, "cure": entry.cure}
    lines = [f"{name} = {_toml(value)}" for name, value in members.items()]
    heading = f"{place}: this message has no entry in {DATA.name}{instead}"
    return "\n".join([heading, "[[sections.messages]]", *lines])


def _toml(value: str | Sequence[str]) -> str:
    return json.dumps(value, ensure_ascii=False)


def render(data: Data) -> str:
    """The page."""
    return "\n".join([data.head.strip(), "", *(text for each in data.sections for text in _section(each))])


def _section(section: Section) -> Iterable[str]:
    yield f"## {section.title}\n"
    if section.intro:
        yield f"{section.intro.strip()}\n"
    yield line("message", "cause", "cure")
    yield "|---|---|---|"
    for entry in section.messages:
        yield line("<br>".join(map(_code, entry.texts)), entry.cause, entry.cure)
    yield ""


def _code(text: str) -> str:
    """A message as code, in a cell of a table."""
    escaped = text.removeprefix("{hint}").strip().replace("|", "\\|")
    return f"`` {escaped} ``" if "`" in escaped else f"`{escaped}`"


def pattern(template: str) -> re.Pattern[str]:
    """What matches the messages of a template, whatever hint follows."""
    varying = re.sub(r"\\{\w+\\}", ".+?", re.escape(template).replace(r"\{hint\}", ".*?"))
    return re.compile(varying + _HINT, re.DOTALL)


def main() -> None:
    """Write the page, or print what is wrong with the data and exit with 1."""
    data = read_data()
    if wrong := problems(collect(), data):
        print("\n\n".join(wrong))
        sys.exit(1)
    PAGE.write_text(render(data), encoding="utf-8")


if __name__ == "__main__":
    main()
