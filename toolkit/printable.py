r"""Text from files, made safe to print: names, messages and log lines may hold anything, even codes that clear a screen.

A model's file names its tensors, an engine words its own errors, and a path has any name. In a terminal such a text may move the cursor, change
colours or write a second line that looks like a verdict; in a CI log a line that begins with `::` or holds `##[` is a command. So only the
toolkit lays out lines, and every text inside a line passes through this module:

    lines(["digits: NOT PASSED", f"  {output}  0.3"])     a text of two lines, whatever the name of `output`
    together("who: ", problem)                            the same with another text before its first line
    line(name)     name(name)     one line; a name, cut to the width of a table's row
    command(["edge-toolkit", "inspect", path])            a command to paste into a shell
    markdown(text)     code(name)                         inside a line of Markdown
    document(content)                                     JSON: the exact names, in ASCII
    file_name(name)                                       a single file or folder of that name, below a folder of the toolkit

An unsafe character becomes an escape, as in a Python string or in a shell's $'...': `\x1b`, `\n`, `\u202e`; a byte of a file's name that is no
UTF-8 is `\xe9`. So a reader can still find the name. The escapes cannot be undone: a backslash of the name itself stays unchanged, and a safe text
stays unchanged too.

Standard library only: workers import this module in interpreters without the toolkit's dependencies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

LONGEST_LINE = 10_000  # characters; nobody reads more, and viewers of logs slow down or cut longer lines
LONGEST_NAME = 200  # characters of a name in a row of a table
_LONGEST_FILE_NAME = 200  # bytes; file systems allow 255, and a temporary file beside it has a longer name
_TAIL = 40  # characters that stay at the end of a cut text: names often differ at their ends

# Invisible characters that `str.isprintable` accepts: the rest of Unicode's Default_Ignorable_Code_Point, without the variation selectors of emoji.
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u3164\uffa0"
_SELECTORS = (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))
# Runners of GitHub (ActionCommand.cs) and Azure Pipelines look for `::` after leading space, and for `##[` and `##vso[` anywhere in a line.
_COMMAND = re.compile(r"^( *):(?=:)")
_HASHES = re.compile(r"#(?=#\w*\[)")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}

_LITERAL = {**_SHORT, "\\": "\\\\", '"': '\\"'}
# GFM: `_` inside a word and `*` between spaces have no meaning (6.2), nor a bracket that neither begins a line nor has something after it (6.3);
# a character that begins a line may begin a block (4, 5).
_MEANT = re.compile(r"[\\`|~]|(?<![^\W_])_|_(?![^\W_])|(?<=\S)\*|\*(?=\S)|\](?=[(\[])|^[#>+\-=\[]")
_NUMBER = re.compile(r"^(\d+)([.)])")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_CALLS = re.compile(r"([@#])(?=\w)")  # @someone, #12
_GAP = re.compile(r"(?<=\S) {3,}")
_SPACES = re.compile(r"^ +|(?<= ) +| +$")
_FORMULA = re.compile(r"[=+\-@\t\r]")  # OWASP, CSV injection: spreadsheets take such a text for a formula


class Text(str):
    """Lines that are safe to print: each line is safe, and the toolkit put the line breaks between them."""

    __slots__ = ()


def line(text: object, most: int = LONGEST_LINE) -> Text:
    """Return a text on one line, without characters that a terminal, a log or a reader could misread; a `Text` unchanged.

    A text of more than `most` characters is cut in its middle, with a note of its length.
    """
    if isinstance(text, Text):
        return text
    return Text(_HASHES.sub(r"\\x23", _COMMAND.sub(r"\1\\x3a", escaped(cut(str(text), most)))))


def lines(parts: Iterable[str], *, indent: str = "", between: str = "\n") -> Text:
    """Return parts as one text: each part becomes one safe line; a `Text` keeps its lines.

    `indent` stands before every line; `between` are the line breaks between two parts.
    """
    text = between.join(map(line, parts))
    return Text("\n".join(indent + each if each else each for each in text.split("\n"))) if indent else Text(text)


def set_in(text: str, indent: str = "  ") -> Text:
    """Return lines from elsewhere (a worker, an earlier report), all except the first indented, so that none looks like a line of the toolkit."""
    first, *others = text.split("\n")
    return lines(
        sentence(each) for each in (first, *(each if each.startswith(indent) else indent + each for each in others))
    )


def together(*parts: str) -> Text:
    """Return parts beside each other: each part becomes one safe line; a `Text` keeps its lines."""
    return Text("".join(map(line, parts)))


def name(text: object, most: int = LONGEST_NAME) -> Text:
    """Return a name for a row of a table: one line, cut in its middle if it is longer than `most` characters.

    A space at its ends or after another space becomes an escape, so that no name looks like two columns of the table.
    """
    return line(_SPACES.sub(lambda match: "\\x20" * len(match.group()), line(text, most)), LONGEST_LINE)


def sentence(text: object) -> Text:
    """Return a sentence as `line` does, without gaps that could look like columns of a table; a `Text` unchanged."""
    return text if isinstance(text, Text) else Text(_GAP.sub("  ", line(text)))


def escaped(text: str) -> str:
    """Return a text with an escape for every character that is invisible or moves others: controls, line breaks, bidi, lone surrogates."""
    if not text.isprintable():
        text = "".join(each if each.isprintable() else _escape(each) for each in text)
    return text if text.isascii() else text.translate(_TABLE)


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters; in a longer one, a note of its length replaces the middle."""
    if len(text) <= most:
        return text
    gap = f"…({len(text)} characters)…"
    tail = min(_TAIL, most // 4)
    return text[: max(most - len(gap) - tail, 0)] + gap + text[len(text) - tail :]


def command(words: Iterable[str]) -> Text:
    """Return a command line for a shell: each word is quoted, and it has no control character, whatever the words are.

    A word that needs an escape is written as $'...', which bash, zsh, ksh and POSIX.1-2024 know; another shell takes it for a file that does not
    exist. A command is not cut, because half of it would be another command.
    """
    return Text(" ".join(map(_word, words)))


def literal(text: str) -> str:
    """Return a text in double quotes that Python and TOML read, without control characters; TOML cannot read a lone surrogate."""
    return '"' + "".join(_LITERAL.get(each) or _plain(each) for each in text) + '"'


def markdown(text: object, most: int = LONGEST_LINE) -> str:
    """Return one line in which nothing is Markdown, HTML, a link, a mention or a reference (GitHub Flavored Markdown)."""
    plain = _ENTITY.sub("&amp;", _flat(text, most).strip()).replace("<", "&lt;")
    return _CALLS.sub(r"\1<!-- -->", _NUMBER.sub(r"\1\\\2", _MEANT.sub(r"\\\g<0>", plain)))


def code(text: object, most: int = LONGEST_NAME, *, in_table: bool = False) -> str:
    """Return a name as a code span of Markdown: no backtick in it ends the span, and `in_table` no pipe the cell."""
    said = _flat(text, most)
    fence = "`" * (1 + max(map(len, re.findall("`+", said)), default=0))
    pad = " " if not said.strip(" ") or said[0] in "` " or said[-1] in "` " else ""
    span = f"{fence}{pad}{said}{pad}{fence}"
    return span.replace("|", "\\|") if in_table else span


def inside_html(text: object, most: int = LONGEST_LINE) -> str:
    """Return one line in which nothing is HTML, a mention or a reference, for use inside an element."""
    import html

    return _CALLS.sub(r"\1<!-- -->", html.escape(_flat(text, most), quote=False))


def document(content: Any, indent: int | None = 2) -> Text:
    """Return a JSON document in ASCII: names are exact, and nothing in it is a control character or a command of a CI's log.

    ValueError for NaN and infinity, which JSON does not have.
    """
    text = json.dumps(content, indent=indent, allow_nan=False)
    return Text(text.replace("##", "\\u0023\\u0023"))  # only possible inside a string


def cell(value: object) -> object:
    """Return a value for a CSV table: a text that a spreadsheet takes for a formula gets an apostrophe before it."""
    if not isinstance(value, str):
        return value
    said = str(line(value))
    return f"'{said}" if _FORMULA.match(value) else said


def file_name(text: str) -> str:
    """Return the name of one file or folder for a text from a file: unique for each text, in ASCII, and never a path to elsewhere.

    Letters and digits stay. `%` and two digits replace characters that a file's name may not hold or begin with. A name that is too long ends with a
    hash.
    """
    from hashlib import sha256
    from urllib.parse import quote

    plain = quote(text, safe=" ()[],;=+@", errors="surrogatepass")
    if not text.strip("."):
        plain = "%2E" * len(text) or "%"
    elif text[0] in ".- ":
        plain = f"%{ord(text[0]):02X}{plain.removeprefix(text[0])}"
    if len(plain) <= _LONGEST_FILE_NAME:
        return plain
    digest = sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{plain[: _LONGEST_FILE_NAME - 18]}%~{digest}"


def _flat(text: object, most: int) -> str:
    """Return a text on one line; the lines of a `Text` are joined with spaces."""
    return line(" ".join(text.split("\n")) if isinstance(text, Text) else text, most)


def _word(word: str) -> str:
    if escaped(word) == word and not _HASHES.search(word):
        import shlex

        return shlex.quote(word)
    return "$'" + "".join(_quoted(each) for each in word) + "'"


def _quoted(character: str) -> str:
    """Return a character for $'...': an invisible one in octal, which all shells end after three digits."""
    if character in _SHORT:
        return _SHORT[character]
    if character in "\\'":
        return f"\\{character}"
    if character != "#" and escaped(character) == character:
        return character
    errors = "surrogateescape" if _is_byte(character) else "surrogatepass"
    return "".join(f"\\{byte:03o}" for byte in character.encode("utf-8", errors))


def _plain(character: str) -> str:
    number = ord(character)
    if escaped(character) == character and character != "#":
        return character
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8: a path with bytes of another encoding (PEP 383) and a lone surrogate cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _is_byte(character: str) -> bool:
    """Return whether a character stands for a byte of a file's name that is no UTF-8 (PEP 383)."""
    return "\udc80" <= character <= "\udcff"


def _escape(character: str) -> str:
    """Return the escape of a character in a Python string; a character that stands for a byte becomes the escape of that byte."""
    if character in _SHORT:
        return _SHORT[character]
    number = ord(character)
    if number < 0x80 or _is_byte(character):
        return f"\\x{number & 0xFF:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


_TABLE = {ord(each): _escape(each) for each in (*_UNSEEN, *map(chr, _SELECTORS))}
