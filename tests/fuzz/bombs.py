"""Bodies that are meant to break whoever reads JSON."""

from itertools import chain

MIB = 2**20
FULL = 10 * MIB - 2 * 1024  # as much as is read
NAMES = ("username", "password", "refresh", "dataset", "url", "filter", "timestamp", "data")

DEEP = {
    "open lists": b"[" * FULL,
    "open objects": b'{"a":' * (FULL // 5),
    "lists": b"[" * 100_000 + b"]" * 100_000,
    "objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "lists as deep as Python goes": b"[" * 990 + b"]" * 990,
    "lists in a member": b'{"filter": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "objects in a member": b'{"data": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001,
    "lists in points": b'{"points": [' + b"[" * 50_000 + b"]" * 50_000 + b"]}",
}
NUMBERS = {
    "digits": b'{"max_rejects": ' + b"9" * MIB + b"}",
    "digits by themselves": b"9" * FULL,
    "fraction": b"0." + b"3" * MIB,
    "exponent": b'{"max_rejects": 1e999999999}',
    "least exponent": b'[{"lat": 1e-999999999, "long": -1e400}]',
    "zeros": b'{"max_rejects": 1' + b"0" * 5_000 + b"}",
    "not a number": b'{"lat": NaN, "long": Infinity, "accuracy": -Infinity}',
    "not a number by itself": b"NaN",
    "minus": b'{"max_rejects": -}',
    "leading zeros": b'{"max_rejects": 007}',
    "many numbers": b"[" + b"1," * (FULL // 2 - 2) + b"1]",
}
TEXTS = {
    "long text": b'"' + b"x" * (FULL - 2) + b'"',
    "long texts": b"{"
    + b",".join(b'"%s": "%s"' % (name.encode(), b"x" * MIB) for name in NAMES)
    + b"}",
    "long name": b'{"' + b"x" * (FULL - 10) + b'": 1}',
    "text without an end": b'{"username": "' + b"x" * MIB,
    "escapes": b'"' + b"\\u0041" * (FULL // 6 - 2) + b'"',
    "backslashes": b'"' + b"\\\\" * (FULL // 2 - 2) + b'"',
    "NUL": b"{" + b",".join(b'"%s": "\\u0000"' % name.encode() for name in NAMES) + b"}",
    "half a character": b"{" + b",".join(b'"%s": "\\ud800"' % n.encode() for n in NAMES) + b"}",
    "half a character as a name": b'{"\\ud800": 1, "filter": {"\\udfff": ["\\ud800"]}}',
    "control characters": b'{"username": "\x00\x01\x1f"}',
}
NAMED = {
    "one name very often": b"{" + b'"a":1,' * 500_000 + b'"a":1}',
    "very many names": b"{" + b",".join(b'"%d":1' % n for n in range(300_000)) + b"}",
    "names of the machine": b'{"__proto__": {}, "__class__": "x", "constructor": {"a": 1}}',
    "wrong kinds": b"{" + b",".join(b'"%s": [{"a": [1]}]' % n.encode() for n in NAMES) + b"}",
}
WHOLE = {
    "nothing": b"",
    "blanks": b" " * MIB,
    "mark of bytes": b'\xef\xbb\xbf{"username": "a"}',
    "UTF-16": '{"username": "a"}'.encode("utf-16"),
    "no UTF-8": b'{"username": "\xff\xfe\xc0\xaf"}',
    "surrogates in UTF-8": b'{"username": "\xed\xa0\x80"}',
    "two values": b'{"filter": {}} {"filter": {}}',
    "comment": b'{"filter": {} /* all */}',
    "comma at the end": b'{"filter": {},}',
    "null": b"null",
    "yes": b"true",
}
BOMBS = dict(chain.from_iterable(each.items() for each in (DEEP, NUMBERS, TEXTS, NAMED, WHOLE)))
