"""Markdown escaping of text that comes from data, file names or errors."""

import re

_MARKUP = re.compile(r"([\\`*\[\]<>$~|]|(?<!\w)_|_(?!\w))")
_URL = re.compile(r"(://|www(?=\.)|@)", re.IGNORECASE)
_WORD_JOINER = "\u2060"  # invisible; after it a browser no longer recognises a link


def escape_markdown(text: object) -> str:
    """Return the text as Markdown that shows it literally, on one line, without links."""
    line = " ".join(str(text).split())
    return _URL.sub(rf"\1{_WORD_JOINER}", _MARKUP.sub(r"\\\1", line))
