#!/usr/bin/python3
"""Writes test/golden/data_order.json: the order of samples as NumPy gives it, for our tests to match.

Needs Debian's python3-numpy; run it from anywhere. Tests only read the file, so it is run again only
when the fixture's definition changes. Permutations come from numpy.random.RandomState itself; what is
built on them follows Megatron-core's rules, written here from their description and in the plainest
form, on whole arrays of tokens. Long arrays are kept as a digest: count, CRC-32 of the values as
little-endian int64, and both ends.
"""

import collections.abc
import json
import pathlib
import zlib
from math import ceil

import numpy as np

FILE = pathlib.Path(__file__).resolve().parent.parent / "test" / "golden" / "data_order.json"
SEEDS = (0, 42, 1234)
ENDS = 8  # values kept of each end of an array


def digest(values):
    values = np.asarray(values, dtype="<i8")
    return {"count": len(values), "crc32": zlib.crc32(values.tobytes()),
            "first": values[:ENDS].tolist(), "last": values[-ENDS:].tolist()}


# ---- random numbers

def permutations():
    sizes = [1, 2, 3]
    for bits in (3, 4, 5, 6, 7, 8, 9, 10, 12, 16, 20):
        sizes += [2**bits - 1, 2**bits, 2**bits + 1]
    cases = []
    for seed in SEEDS:
        for size in sizes:
            values = np.arange(size, dtype=np.uint32)
            np.random.RandomState(seed).shuffle(values)
            cases.append({"seed": seed, "size": size, "order": digest(values)})
    return cases


class Recorder:
    """Stands for a list too long for memory: notes which two items a shuffle swaps, then stops it."""

    def __init__(self, size, most):
        self.size, self.most, self.swaps = size, most, []

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        self.swaps.append(index)  # the shuffle reads x[j], x[i], or the other way round
        if len(self.swaps) == 2 * self.most:
            raise StopIteration
        return 0

    def __setitem__(self, index, value):
        pass


collections.abc.Sequence.register(Recorder)


def huge_swaps():
    """First swaps of shuffles whose bound is above 32 bits, or falls below it on the way."""
    cases = []
    for seed in SEEDS:
        for size in (2**32 + 20, 2**33 + 1, 2**40 + 12345):
            recorder = Recorder(size, 40)
            try:
                np.random.RandomState(seed).shuffle(recorder)
            except StopIteration:
                pass
            pairs = zip(recorder.swaps[::2], recorder.swaps[1::2])
            partners = []
            for step, pair in enumerate(pairs):
                i = size - 1 - step
                assert i in pair
                partners.append(sum(pair) - i)
            cases.append({"seed": seed, "size": size, "partners": partners})
    return cases


def bounded_draws():
    """RandomState.randint, whose legacy path masks and rejects as the shuffle does."""
    cases = []
    for seed in SEEDS:
        for most in (1, 6, 2**31, 2**32 - 2, 2**32 - 1, 2**32, 2**33 - 1, 2**33, 10**12, 2**62 + 1):
            draws = np.random.RandomState(seed).randint(0, most + 1, size=24, dtype=np.int64)
            cases.append({"seed": seed, "max": most, "draws": draws.tolist()})
    return cases


def sums():
    values = np.array([(i * 2654435761 % 1000003) / 1000003 for i in range(300)])
    return [{"count": count, "sum": float(np.sum(values[:count]))}
            for count in (1, 7, 8, 9, 15, 16, 17, 127, 128, 129, 137, 255, 256, 257, 300)]


# ---- one file

def uneven(count):
    return [(i * 7919 + 13) % 97 for i in range(count)]


def order_of(lengths, begin, end, n, s, seed):
    lengths = np.asarray(lengths, dtype=np.int64)
    per_epoch = int(lengths[begin:end].sum())
    epochs = 1
    while epochs * per_epoch < n * s + 1:
        epochs += 1
    before_last = ((epochs - 1) * per_epoch - 1) // s if epochs > 1 else 0
    separate = epochs > 1 and n - before_last < int(0.80 * ((per_epoch - 1) // s))

    random = np.random.RandomState(seed)
    parts = []
    for count in ([epochs - 1, 1] if separate else [epochs]):
        part = np.tile(np.arange(begin, end, dtype=np.int32), count)
        random.shuffle(part)
        parts.append(part)
    documents = np.concatenate(parts)

    total = (epochs * per_epoch - 1) // s
    ends = np.cumsum(lengths[documents])
    token = np.arange(total + 1, dtype=np.int64) * s
    entry = np.searchsorted(ends, token, side="right")
    offset = token - (ends - lengths[documents])[entry]
    entry[0] = offset[0] = 0  # by definition, even where the first document is empty

    shuffles = [np.arange(0, before_last if separate else total, dtype=np.uint32)]
    if separate:
        shuffles.append(np.arange(before_last, total, dtype=np.uint32))
    for part in shuffles:
        random.shuffle(part)
    return {"epochs": epochs, "separate": separate, "size": total, "documents": digest(documents),
            "entries": digest(entry), "offsets": digest(offset),
            "shuffle": digest(np.concatenate(shuffles))}


def orders():
    empty = [0, 0, 5, 0, 0, 9, 0]
    long = [3, 4000, 1, 0, 2500, 7]
    cases = []

    def add(lengths, begin, end, n, s, seeds=(1234,)):
        for seed in seeds:
            case = {"begin": begin, "end": end, "n": n, "s": s, "seed": seed}
            case["uneven" if isinstance(lengths, int) else "lengths"] = lengths
            values = uneven(lengths) if isinstance(lengths, int) else lengths
            cases.append(case | order_of(values, begin, end, n, s, seed))

    add(300, 0, 300, 100, 64, SEEDS)     # one epoch
    add(300, 0, 300, 237, 60, SEEDS)     # all but a few samples of it
    add(300, 10, 250, 400, 32, SEEDS)    # two, the last one separate
    add(300, 0, 300, 1000, 64, SEEDS)    # five, the last one separate
    add(300, 285, 300, 50, 128, SEEDS)   # nine, together
    add(5000, 0, 4745, 3600, 256, SEEDS)
    add(5000, 4745, 4995, 400, 256, SEEDS)
    add(30000, 0, 30000, 3000, 1024)
    add(empty, 0, 7, 4, 3, SEEDS)        # n s + 1 = 13 of 14 tokens
    add(empty, 0, 7, 11, 3, SEEDS)
    add(empty, 1, 4, 9, 2)
    add(long, 0, 6, 40, 100, SEEDS)      # documents longer than many samples
    add(long, 0, 6, 130, 100, SEEDS)
    add([1], 0, 1, 5, 4)                 # one token, again and again
    add([10, 10], 0, 2, 2, 8)            # 17 of 20 tokens
    for total in (16, 17, 18):           # exactly n s + 1, one fewer, one more
        add([total - 9, 9], 0, 2, 2, 8)
    for n in (10, 11, 17, 18, 20, 27, 28):  # 10 samples an epoch: the border at int(0.8 * 10) = 8
        add([1] * 101, 0, 101, n, 10)
    return cases


# ---- several files

def normalised(weights):
    weights = np.array(weights, dtype=np.float64)
    return weights / np.sum(weights)


def part_sizes(shares, n):
    targets = [ceil(n * float(share)) for share in shares]
    return targets, [ceil(target * (1 + 0.005)) for target in targets]


def blends():
    families = [[1, 1], [0.3, 0.7], [1e-9, 1.0], [0.1, 0.2, 0.7], [1 / 3, 1 / 3, 1 / 3],
                [10.6, 10.5, 12.5, 16.4, 38.3, 1.67, 5, 5],
                [1, 2, 3, 4, 5, 6, 7, 8, 9],
                [0.1, 0.7, 1e-3, 0.2999, 1 / 3, 2.5, 0.07, 1.1, 0.9],
                [3.3, 0.1, 0.1, 0.1, 7.7, 0.1, 1e-7, 0.1, 0.1]]
    cases = []
    for weights in families:
        shares = normalised(weights)
        for n in (1, 777, 20000):
            targets, built = part_sizes(shares, n)
            again = normalised(shares)
            used = np.zeros(len(weights), dtype=np.int64)
            datasets, samples = [], []
            for i in range(sum(targets)):
                best = int(np.argmax(again * np.float64(max(i, 1)) - used))
                datasets.append(best)
                samples.append(int(used[best]))
                used[best] += 1
            cases.append({"weights": weights, "n": n, "shares": shares.tolist(), "targets": targets,
                          "built": built, "used": used.tolist(), "datasets": digest(datasets),
                          "samples": digest(samples)})
    return cases


def splits():
    cases = []
    for split in ("949,50,1", "969,30,1", "99,1", "1", "1,1", "98,2,0", "0,1", "1,1,1", "0.5,0.25,0.25",
                  "8,1,1"):
        shares = [float(part) for part in split.split(",")]
        shares = normalised(shares + [0.0] * (3 - len(shares)))
        borders = [0.0]
        for share in shares:
            borders.append(borders[-1] + float(share))
        for count in (0, 1, 2, 3, 5, 7, 10, 25, 50, 500, 999, 1000, 1001, 12345, 99999999, 2**31 - 1):
            cases.append({"split": split, "count": count,
                          "borders": [int(round(border * float(count))) for border in borders]})
    return cases


def sizes():
    cases = []
    for iters, batch, interval, eval_iters in ((25000, 1024, 100, 10), (25, 4, 10, 2), (6, 8, 4, 1),
                                               (100, 8, 100, 10), (99, 3, 100, 7), (61000, 1536, 1000, 10)):
        wanted = {"train": iters * batch, "valid": (iters // interval + 1) * eval_iters * batch,
                  "test": eval_iters * batch}
        shares = normalised([10.6, 10.5, 12.5, 16.4, 38.3, 1.67, 5, 5])
        case = {"train_iters": iters, "global_batch_size": batch, "eval_interval": interval,
                "eval_iters": eval_iters, "weights": [10.6, 10.5, 12.5, 16.4, 38.3, 1.67, 5, 5]}
        for name, n in wanted.items():
            targets, built = part_sizes(shares, n)
            case[name] = {"samples": n, "targets": targets, "built": built}
        cases.append(case)
    return cases


def main():
    fixtures = {"numpy": np.__version__, "permutations": permutations(), "huge_swaps": huge_swaps(),
                "bounded_draws": bounded_draws(), "sums": sums(), "orders": orders(),
                "blends": blends(), "splits": splits(), "sizes": sizes()}
    groups = []
    for name, cases in fixtures.items():
        if isinstance(cases, str):
            groups.append(f'"{name}": {json.dumps(cases)}')
        else:  # a line for each case, so that a change can be seen
            lines = ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases)
            groups.append(f'"{name}": [\n{lines}\n]')
    FILE.write_text("{" + ",\n".join(groups) + "}\n")
    print(f"{FILE}: {FILE.stat().st_size} bytes")


if __name__ == "__main__":
    main()
