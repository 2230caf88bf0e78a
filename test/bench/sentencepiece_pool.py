#!/usr/bin/env python3
"""JSON Lines to Megatron's .bin by the sentencepiece module, as Megatron's own preprocessing does it:
a pool of processes that parse and encode, one that gathers and writes. The other side of
test/bench/preprocess.sh. Debian: python3-sentencepiece python3-numpy.
    sentencepiece_pool.py PROCESSES MODEL OUTPUT.bin FILE...
With 1 process there is no pool: all is done in this one.
"""
import json
import multiprocessing
import sys

import numpy
import sentencepiece


def start(model):
    global processor
    processor = sentencepiece.SentencePieceProcessor(model_file=model)


def encode(line):
    ids = processor.encode(json.loads(line)["text"])
    return [processor.bos_id()] + ids + [processor.eos_id()]


def lines(files):
    for name in files:
        with open(name, encoding="utf-8") as file:
            yield from file


def main():
    processes, model, output, files = int(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4:]
    start(model)
    tokens = 0
    with open(output, "wb") as file:
        if processes == 1:
            documents = map(encode, lines(files))
        else:
            pool = multiprocessing.Pool(processes, initializer=start, initargs=(model,))
            documents = pool.imap(encode, lines(files), 32)
        for ids in documents:
            file.write(numpy.array(ids, dtype=numpy.uint16).tobytes(order="C"))
            tokens += len(ids)
    print(tokens)


main()
