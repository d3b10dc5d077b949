"""Colour for the IR's text, and for the texts of the later stages, on a terminal, through Pygments."""
from __future__ import annotations

import functools
from typing import Any


def _ir_lexer() -> Any:
    from pygments import token
    from pygments.lexer import RegexLexer

    class IRLexer(RegexLexer):
        """Of the IR and of the loop IR: the sigils and literals are the same, the keywords do not clash."""

        name = "tracegrad IR"
        tokens = {
            "root": [
                (r"#[^\n]*", token.Comment),
                (r'"(?:[^"\\]|\\.)*"', token.String),
                (r"%[\w.]+", token.Name.Variable),
                (r"\$[\w.]+", token.Name.Class),
                (r"@(?:[\w.]+|\"(?:[^\"\\]|\\.)*\")", token.Name.Function),
                (r"\b(?:func|const|return|yield|if|else|for|to|while|do|map|carry|call|live)\b", token.Keyword),
                (r"\b(?:kernel|in|out|inout|result|load|store|get|set|alloc|fill|copy|swap|clear|push|pop|lib|fail|reassoc"
                 r"|parallel|unroll)\b", token.Keyword),
                (r"\b(?:bool|index|stack|[iu](?:8|16|32|64)|f32|f64|c64|c128)\b", token.Keyword.Type),
                (r"-?\b(?:inf|nan|true|false|none|\d[\w.]*(?:[eE][+-]\d+)?)", token.Number),
                (r"\w+(?==)", token.Name.Attribute),
                (r"(?<== )[a-z]\w*|(?<=  )(?:check|print)\b", token.Name.Tag),
                (r"->|[()\[\]{}<>:,=+-]", token.Punctuation),
                (r"\s+", token.Text),
                (r"\w+|.", token.Text),
            ]
        }

    return IRLexer(stripnl=False)


def _llvm_lexer() -> Any:
    from pygments.lexers import LlvmLexer

    return LlvmLexer(stripnl=False)


def _assembly_lexer() -> Any:
    from pygments.lexers import GasLexer

    return GasLexer(stripnl=False)


_LEXERS = {"ir": _ir_lexer, "loops": _ir_lexer, "llvm": _llvm_lexer, "asm": _assembly_lexer}


@functools.cache
def _highlighter(language: str) -> Any:
    """Pygments' highlight for a language, loaded when it is first needed."""
    from pygments import highlight
    from pygments.formatters import TerminalFormatter

    return functools.partial(highlight, lexer=_LEXERS[language](), formatter=TerminalFormatter())


def colored(text: str, language: str = "ir") -> str:
    """The text with a terminal's colours. language: "ir", "loops", "llvm" or "asm"."""
    return _highlighter(language)(text)
