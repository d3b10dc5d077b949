"""The IR as text: what people read, and what tests and caches keep.

In: a function of the IR. Out: its text, coloured and beside the user's source lines where asked for; and the function
again from such a text. parser.py holds the grammar's reading half, printer.py the writing half and alpha-equivalence,
source_comments.py the user's lines beside a listing, color.py the colours of a terminal.
"""
