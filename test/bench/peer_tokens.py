#!/usr/bin/env python3
"""The batch that cpu_peers.sh trains ours and PyTorch on, written where both read it.

A row of the batch is a Megatron dataset of its own: one document of `seq` random tokens. A dataset
is as many epochs of its document as are asked for, so whatever order they are in, each of its
samples is the document and then its first token, the target of its last. A blend of equal weights
takes one sample of each dataset in turn: every step of `batch` samples is the whole batch.
  test/bench/peer_tokens.py FOLDER BATCH SEQ VOCABULARY   writes FOLDER/row-N.bin and .idx
"""

import array
import os
import random
import struct
import sys

U16 = 8  # the code of the index for two bytes a token


def write(folder, batch, seq, vocab):
    draw = random.Random(1234)
    for row in range(batch):
        prefix = os.path.join(folder, f"row-{row}")
        with open(prefix + ".bin", "wb") as file:
            array.array("H", (draw.randrange(vocab) for _ in range(seq))).tofile(file)
        with open(prefix + ".idx", "wb") as file:
            sequences, entries = 1, 2  # its length and its offset; where documents begin, and 1
            file.write(b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, U16, sequences, entries) +
                       struct.pack("<iqqq", seq, 0, 0, 1))


def read(folder, batch):
    """Rows of seq + 1 tokens, the last one the first again."""
    rows = []
    for row in range(batch):
        tokens = array.array("H")
        with open(os.path.join(folder, f"row-{row}.bin"), "rb") as file:
            tokens.frombytes(file.read())
        rows.append(tokens.tolist() + [tokens[0]])
    return rows


if __name__ == "__main__":
    write(sys.argv[1], *map(int, sys.argv[2:5]))
