#!/usr/bin/env python3
"""Megatron's .bin and .idx from token ids, one document a line on standard input: written from the
description of the format alone, so that it can judge what `swallow-train preprocess` writes.
    megatron_layout.py PREFIX VOCAB_SIZE BOS [EOS]
BOS goes before each document; EOS, when given, after it. Python's standard library is enough.
"""
import array
import struct
import sys


def documents(lines, bos, eos):
    for line in lines:
        yield [bos] + [int(word) for word in line.split()] + eos


def little_endian(typecode, values):
    """Bytes of `values`; array's own byte order is the machine's."""
    numbers = array.array(typecode, values)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def main():
    prefix, vocab_size, bos = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    eos = [int(word) for word in sys.argv[4:]]
    code, typecode, token_bytes = (8, "H", 2) if vocab_size < 65500 else (4, "i", 4)
    lengths = []
    with open(prefix + ".bin", "wb") as file:
        for tokens in documents(sys.stdin, bos, eos):
            file.write(little_endian(typecode, tokens))
            lengths.append(len(tokens))
    pointers = []
    position = 0
    for length in lengths:
        pointers.append(position)
        position += length * token_bytes
    with open(prefix + ".idx", "wb") as file:
        file.write(b"MMIDIDX\x00\x00")
        file.write(struct.pack("<QB", 1, code))  # version, element type
        file.write(struct.pack("<QQ", len(lengths), len(lengths) + 1))  # sequences, document entries
        file.write(little_endian("i", lengths))
        file.write(little_endian("q", pointers))
        file.write(little_endian("q", range(len(lengths) + 1)))


main()
