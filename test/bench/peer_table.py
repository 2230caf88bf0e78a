#!/usr/bin/env python3
"""The runs of one model and precision of cpu_peers.sh as two tables: times, then losses.

FILE has a line a run: "name milliseconds loss...", or "name" and why there are none. Ours is
swallow-train. Losses are those of a name's first run.
  test/bench/peer_table.py MODEL DTYPE FILE
"""

import statistics
import sys


def read(path):
    """{name: runs as lists of numbers} and {name: why it has none}"""
    runs, without = {}, {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            name, rest = line.strip().split(" ", 1)
            try:
                numbers = [float(value) for value in rest.split()]
            except ValueError:
                without[name] = rest
            else:
                runs.setdefault(name, []).append(numbers)
    return runs, without


def main():
    model, dtype, path = sys.argv[1:]
    runs, without = read(path)
    our_ms = statistics.median(run[0] for run in runs["swallow-train"])
    our_losses = runs["swallow-train"][0][1:]

    def row(name, text):
        print(f"{model:5} {dtype} {name:20} {text}")

    for name, rounds in runs.items():
        ms = statistics.median(run[0] for run in rounds)
        row(name, f"{ms:9.1f} ms  x{ms / our_ms:5.2f}  "
                  f"rounds {' '.join(f'{run[0]:.0f}' for run in rounds)}")
    for name, reason in without.items():
        row(name, reason)
    row("losses", f"of steps 1 to {len(our_losses)}; their largest relative difference from ours")
    for name, rounds in runs.items():
        losses = rounds[0][1:]
        most = max(abs(loss / our_loss - 1) for loss, our_loss in zip(losses, our_losses))
        row(name, f"{' '.join(f'{loss:.6f}' for loss in losses)}  {most:.1e}")


if __name__ == "__main__":
    main()
