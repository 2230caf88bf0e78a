#!/usr/bin/env python3
"""Sends what a run logs to Weights & Biases, from outside of it: follows the metrics.jsonl in the
folder of --log-dir or --save, on a login node or wherever the folder can be read. Stopped and
started again it goes on where it was, in the same W&B run, whose id it keeps in the folder.

    scripts/wandb_follow.py RUN --project swallow          until the training is through
    scripts/wandb_follow.py RUN --project swallow --once   what is there now
    scripts/wandb_follow.py RUN --dry-run --once           show what would be sent; needs no wandb
"""

import argparse
import json
import math
import os
import secrets
import sys
import time

# The scalars of each kind of line and the names they are sent under.
SCALARS = {
    "step": {
        "loss": "train/loss",
        "grad_norm": "train/grad_norm",
        "loss_z": "train/loss_z",
        "lr": "train/lr",
        "skipped": "train/skipped",
        "consumed_tokens": "train/consumed_tokens",
        "consumed_samples": "train/consumed_samples",
        "seconds": "time/step_seconds",
        "tokens_per_second_per_rank": "speed/tokens_per_second_per_rank",
        "tflops_per_rank_causal": "speed/tflops_per_rank_causal",
        "tflops_per_rank_full_attention": "speed/tflops_per_rank_full_attention",
        "tflops_per_rank_fork_c": "speed/tflops_per_rank_fork_c",
        "mfu": "speed/mfu",
        "peak_memory_bytes": "memory/peak_bytes",
    },
    "validation": {"loss": "validation/loss", "seconds": "time/validation_seconds"},
    "test": {"loss": "test/loss"},
    "save": {"seconds": "time/save_seconds"},
}


class Position:
    """How far the file has been sent, kept beside it and replaced by a rename."""

    def __init__(self, folder, keep):
        self.path = os.path.join(folder, "wandb_follow.json")
        self.keep = keep
        self.run_id = secrets.token_hex(8)
        self.offset = 0
        self.last_step = 0
        self.restart = 0
        if keep and os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.__dict__.update(json.load(file))

    def save(self):
        if not self.keep:
            return
        state = {name: getattr(self, name) for name in ("run_id", "offset", "last_step", "restart")}
        with open(self.path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(state, file)
        os.replace(self.path + ".tmp", self.path)


class PrintSink:
    def config(self, config):
        print(json.dumps({"config": config}, sort_keys=True))

    def log(self, values):
        print(json.dumps(values, sort_keys=True), flush=True)

    def finish(self):
        pass


class WandbSink:
    def __init__(self, arguments, run_id):
        import wandb  # only here: a dry run does without it

        self.run = wandb.init(
            project=arguments.project,
            entity=arguments.entity,
            name=arguments.name,
            id=run_id,
            resume="allow",
        )
        # The training's own step is the x axis: after a restart it goes back, W&B's cannot.
        self.run.define_metric("step")
        self.run.define_metric("*", step_metric="step")

    def config(self, config):
        self.run.config.update(config, allow_val_change=True)

    def log(self, values):
        self.run.log(values)

    def finish(self):
        self.run.finish()


def scalars(record):
    """What to send of a line: finite numbers only."""
    found = {}
    for key, name in SCALARS.get(record.get("kind"), {}).items():
        value = record.get(key)
        if isinstance(value, (bool, int, float)) and math.isfinite(value):
            found[name] = int(value) if isinstance(value, bool) else value
    return found


class Follower:
    def __init__(self, path, position, sink):
        self.path = path
        self.position = position
        self.sink = sink
        self.damaged = 0
        self.through = False  # the last step of the training has been logged

    def catch_up(self):
        """Sends the whole lines that are new. The last one may still be on its way: it waits."""
        if os.path.getsize(self.path) < self.position.offset:
            self.position.offset = 0  # another file has taken its place
        with open(self.path, "rb") as file:
            file.seek(self.position.offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self.send(line)
                self.position.offset += len(line)
        self.position.save()

    def send(self, line):
        try:
            record = json.loads(line)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            self.damaged += 1
            return
        if record.get("kind") == "run":
            config = dict(record.get("config") or {})
            for key in ("world_size", "parameters", "build"):
                if key in record:
                    config[key] = record[key]
            self.sink.config(config)
            self.through = False
        values = scalars(record)
        step = record.get("step")
        if not values or not isinstance(step, int):
            return
        if record["kind"] == "step":
            if step <= self.position.last_step:
                self.position.restart += 1  # steps are done again from a checkpoint
            self.position.last_step = step
            self.through = step == record.get("train_iters")
        values["step"] = step
        values["restart"] = self.position.restart
        self.sink.log(values)


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", metavar="RUN", help="the run's folder")
    parser.add_argument("--project", help="W&B project")
    parser.add_argument("--entity", help="W&B team or user")
    parser.add_argument("--name", help="name of the run in W&B [its folder's]")
    parser.add_argument("--interval", type=float, default=10, help="seconds between looks [10]")
    parser.add_argument("--once", action="store_true", help="send what is there and end")
    parser.add_argument("--dry-run", action="store_true", help="print instead of sending")
    arguments = parser.parse_args()
    if not arguments.dry_run and not arguments.project:
        parser.error("--project is missing")
    if not arguments.interval > 0:
        parser.error(f"--interval {arguments.interval}: must be above 0")
    if not os.path.isdir(arguments.run):
        parser.error(f"{arguments.run}: is no folder")
    arguments.name = arguments.name or os.path.basename(os.path.abspath(arguments.run))
    return arguments


def main():
    arguments = parse_arguments()
    path = os.path.join(arguments.run, "metrics.jsonl")
    if arguments.once and not os.path.exists(path):
        sys.exit(f"wandb_follow.py: error: there is no {path}")
    position = Position(arguments.run, keep=not arguments.dry_run)
    sink = PrintSink() if arguments.dry_run else WandbSink(arguments, position.run_id)
    follower = Follower(path, position, sink)
    try:
        position.save()  # the id, before anything is sent under it
        while True:
            if os.path.exists(path):
                follower.catch_up()
            if arguments.once or follower.through:
                break
            time.sleep(arguments.interval)
        # Validation, save and test come after the last step.
        if not arguments.once:
            time.sleep(arguments.interval)
            follower.catch_up()
    except KeyboardInterrupt:
        pass
    finally:
        sink.finish()
    if follower.damaged:
        print(f"{follower.damaged} lines could not be read", file=sys.stderr)


if __name__ == "__main__":
    main()
