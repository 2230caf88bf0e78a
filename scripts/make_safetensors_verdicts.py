#!/usr/bin/env python3
"""Writes test/golden/safetensors_verdicts.json: which files the Python package `safetensors` opens.

Needs that package, e.g. in a virtual environment; run it again only when the cases change. A case
is a file's header and how many bytes of data follow; good ones, each rule of the format broken, and
damage to single bytes of a good header.
"""

import json
import pathlib
import random
import struct

import safetensors

OUTPUT = pathlib.Path(__file__).resolve().parent.parent / "test/golden/safetensors_verdicts.json"
GOOD = ('{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
        '"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},'
        '"c":{"dtype":"F16","shape":[],"data_offsets":[32,34]}}')


def tensor(dtype="U8", shape=(1,), offsets=(0, 1), extra=""):
    return json.dumps({"dtype": dtype, "shape": shape, "data_offsets": offsets})[:-1] + extra + "}"


def cases():
    """(header bytes, data bytes, header length to claim or None)"""
    yield GOOD.encode(), 34, None
    for tail in ("", " ", "    ", "\n", "\t", "\0", "}", "x", ","):
        yield (GOOD + tail).encode(), 34, None
    for head in (" ", "\n", "[", "\ufeff", "\0"):
        yield (head + GOOD).encode(), 34, None
    for data in (0, 33, 35, 68):
        yield GOOD.encode(), data, None
    for length in (0, 1, 8, len(GOOD) - 1, len(GOOD) + 1, len(GOOD) + 34, len(GOOD) + 35, 10**8,
                   10**8 + 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1):
        yield GOOD.encode(), 34, length
    for text in ("{}", "{ }", "[]", "null", "", "{", "}", "3", '"a"', '{"__metadata__":{}}',
                 '{"__metadata__":null}', '{"__metadata__":{"a":1}}', '{"__metadata__":[]}',
                 '{"__metadata__":{"a":"b","a":"c"}}', '{"a":null}', '{"a":{}}', '{"a":[]}'):
        yield text.encode(), 0, None
    for dtype in ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U64", "U32", "U16", "U8",
                  "BOOL", "F8_E4M3", "F8_E5M2", "F4", "C64", "f32", "Q4", "", "F32 "):
        for size in (1, 2, 4, 8):
            yield f'{{"a":{tensor(dtype, [1], [0, size])}}}'.encode(), size, None
    for shape, size in (([], 1), ([0], 0), ([0, 5], 0), ([1] * 9, 1), ([2, 2], 4), ([2, 2], 3),
                        ([-1], 1), ([1.0], 1), ([2**32, 2**32], 0), ([2**63], 1), ([2**64], 1),
                        ([2**32, 2**32, 0], 0), (["1"], 1), ([[1]], 1), (None, 1), (1, 1)):
        yield f'{{"a":{tensor("U8", shape, [0, size])}}}'.encode(), size, None
    for offsets, data in (([0, 1], 1), ([1, 2], 2), ([1, 0], 1), ([0], 1), ([0, 1, 1], 1), ([], 0),
                          ([-1, 0], 1), ([0, 2], 2), ([0, 2**63], 1), ([2**64 - 1, 2**64], 1),
                          ([0.0, 1.0], 1), (["0", "1"], 1), (None, 1)):
        yield f'{{"a":{tensor("U8", [1], offsets)}}}'.encode(), data, None
    for second in ([1, 2], [0, 1], [2, 3], [1, 3]):
        yield f'{{"a":{tensor()},"b":{tensor("U8", [1], second)}}}'.encode(), second[1], None
        yield f'{{"b":{tensor("U8", [1], second)},"a":{tensor()}}}'.encode(), second[1], None
    yield f'{{"a":{tensor()},"a":{tensor()}}}'.encode(), 1, None
    yield f'{{"a":{tensor(extra=",")}}}'.encode(), 1, None
    yield ('{"a":' + tensor(extra=', "x": 1') + "}").encode(), 1, None
    yield ('{"' + "n" * 600 + '":' + tensor() + "}").encode(), 1, None
    for name in (b"", b"\\u0000", b"\\ud800", b"\xff", b"\xc3\xa9", b"\x01", b"\x7f", b"a/b", b"\\x"):
        yield b'{"' + name + b'":' + tensor().encode() + b"}", 1, None
    chance = random.Random(7)
    for _ in range(300):
        header = bytearray(GOOD.encode())
        for _ in range(chance.choice((1, 1, 1, 2))):
            at = chance.randrange(len(header))
            change = chance.randrange(3)
            if change == 0:
                header[at] = chance.choice(b'0123456789{}[]",:-.eE abFI\x00\x7f\xff')
            elif change == 1:
                del header[at]
            else:
                header.insert(at, chance.choice(b'0123456789{}[]",:- '))
        yield bytes(header), 34, None


def verdict(header, data, length):
    claimed = len(header) if length is None else length
    content = struct.pack("<Q", claimed) + header + bytes(data)
    try:
        safetensors.deserialize(content)
        return True
    except Exception:  # whatever the package throws is a refusal
        return False


def main():
    rows = []
    for header, data, length in cases():
        row = {"header": header.hex(), "data": data, "opens": verdict(header, data, length)}
        if length is not None:
            row["length"] = length
        rows.append(row)
    text = ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows)
    OUTPUT.write_text(f'{{"made_by":"safetensors {safetensors.__version__}","cases":[\n{text}\n]}}\n')
    opened = sum(row["opens"] for row in rows)
    print(f"{OUTPUT}: {len(rows)} cases, {opened} opened, {OUTPUT.stat().st_size} bytes")


if __name__ == "__main__":
    main()
