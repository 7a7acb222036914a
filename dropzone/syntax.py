"""Whether a body is JSON at all, and how deep it is: without recursion, in linear time."""

import re

import msgspec

RAW = msgspec.json.Decoder(msgspec.Raw)
# The marks that tokens are replaced by are bytes that no JSON has.
ESCAPED, TEXT, SCALAR, NAME = MARKS = b"\x01", b"\x02", b"\x03", b"\x04"
ESCAPES = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
TEXTS = re.compile(rb'"[^"\\\x00\x02-\x1f]*+"')
SCALARS = re.compile(
    rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity"
)
QUOTED = re.compile(rb'"[^"]*+"?')
# Blocks that cut through none of them: replacing makes a list of all that there is between.
BY_ESCAPES = re.compile(rb"(?:[^\\]*+\\.){1,50000}+[^\\]*+|.++", re.DOTALL)
BY_TEXTS = re.compile(rb'(?:[^"]*+"[^"]*+"){1,50000}+|.++', re.DOTALL)
BY_SCALARS = re.compile(rb".{1,100000}+[^,:\[\]{} \t\n\r]*+", re.DOTALL)
# Two tokens that cannot follow one another, or what is no token. A name is one with its colon.
MISFITS = re.compile(
    rb"[^\x03\x04\[\]{},]|[\x03\]}][^,\]}]|\[[\x04,}]|\{[^\x04}]|\x04[^\x03\[{]|,[,\]}]|\A\x04"
)
# What each of them has to stand in; the colon is a comma before a name.
PLACES = {ord("]"): ord("["), ord(","): ord("["), ord("}"): ord("{"), ord(":"): ord("{")}
NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{},"'))


def is_json(body: bytes) -> bool:
    """Whether its syntax is right: NaN and the infinities, repeated names, numbers of any size and
    any depth are, and are refused when it is read.
    """
    try:
        body.decode()
        RAW.decode(body)
    except UnicodeDecodeError:
        return False
    except (msgspec.MsgspecError, RecursionError):
        return _has_syntax(body)
    return True


def keep_structure(body: bytes) -> bytes:
    """The brackets and commas that stand in no text."""
    bare = body.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, NO_STRUCTURE)
    return _replace(bare, BY_TEXTS, QUOTED, b"")


def _replace(data: bytes, blocks: re.Pattern[bytes], tokens: re.Pattern[bytes], by: bytes) -> bytes:
    return b"".join(tokens.sub(by, block[0]) for block in blocks.finditer(data))


def _has_syntax(body: bytes) -> bool:
    """Each token becomes one byte, of which the brackets are followed."""
    if any(mark in body for mark in MARKS):
        return False
    tokens = _replace(body, BY_ESCAPES, ESCAPES, ESCAPED)
    tokens = _replace(tokens, BY_TEXTS, TEXTS, TEXT)
    tokens = _replace(tokens, BY_SCALARS, SCALARS, SCALAR).translate(None, b" \t\n\r")
    tokens = tokens.replace(TEXT + b":", NAME).replace(TEXT, SCALAR)
    if not tokens or MISFITS.search(tokens):
        return False
    return _is_nested_well(tokens.replace(b"," + NAME, b":").translate(None, SCALAR + NAME))


def _is_nested_well(brackets: bytes) -> bool:
    if brackets.count(b"[") != brackets.count(b"]"):
        return False
    opened = bytearray()
    for symbol in brackets:
        if symbol in b"[{":
            opened.append(symbol)
        elif not opened or opened[-1] != PLACES[symbol]:
            return False
        elif symbol in b"]}":
            opened.pop()
    return not opened
