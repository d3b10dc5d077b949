"""Colour for the IR's text on a terminal, through Pygments."""
from __future__ import annotations

import functools


@functools.cache
def _tools():
    """(Pygments' highlight, a lexer of the IR, a terminal formatter), loaded when first needed."""
    from pygments import highlight, token
    from pygments.formatters import TerminalFormatter
    from pygments.lexer import RegexLexer

    class IRLexer(RegexLexer):
        name = "tracegrad IR"
        tokens = {
            "root": [
                (r"#[^\n]*", token.Comment),
                (r'"(?:[^"\\]|\\.)*"', token.String),
                (r"%[\w.]+", token.Name.Variable),
                (r"@(?:[\w.]+|\"(?:[^\"\\]|\\.)*\")", token.Name.Function),
                (r"\b(?:func|const|return|yield|if|else|for|to|while|do|map|carry|call|live)\b", token.Keyword),
                (r"\b(?:bool|index|stack|[iu](?:8|16|32|64)|f32|f64|c64|c128)\b", token.Keyword.Type),
                (r"-?\b(?:inf|nan|true|false|none|\d[\w.]*(?:[eE][+-]\d+)?)", token.Number),
                (r"\w+(?==)", token.Name.Attribute),
                (r"(?<== )[a-z]\w*|(?<=  )(?:check|print)\b", token.Name.Tag),
                (r"->|[()\[\]{}<>:,=+-]", token.Punctuation),
                (r"\s+", token.Text),
                (r"\w+|.", token.Text),
            ]
        }

    return highlight, IRLexer(stripnl=False), TerminalFormatter()


def colored(text: str) -> str:
    highlight, lexer, formatter = _tools()
    return highlight(text, lexer, formatter)
