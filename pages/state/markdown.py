"""Markdown escaping of text that comes from data, file names or errors."""

import re

_MARKUP = re.compile(r"([\\`*\[\]<>$~|]|(?<!\w)_|_(?!\w))")
_URL = re.compile(r"(://|www(?=\.)|@)", re.IGNORECASE)
_WORD_JOINER = "\u2060"  # invisible; after it a browser no longer recognises a link


def _escape_surrogates(text: str) -> str:
    r"""Return the text with the bytes of a file name that is no UTF-8 as \xNN."""
    try:
        text.encode()
    except UnicodeEncodeError:
        from tempotron_core.runs.files import escape_surrogates  # imports PyTorch

        return escape_surrogates(text)
    return text


def escape_markdown(text: object) -> str:
    """Return the text as Markdown that shows it literally, on one line, without links."""
    line = " ".join(_escape_surrogates(str(text)).split())
    return _URL.sub(rf"\1{_WORD_JOINER}", _MARKUP.sub(r"\\\1", line))
