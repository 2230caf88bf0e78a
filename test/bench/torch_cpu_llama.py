#!/usr/bin/env python3
"""The speed of PyTorch on a Llama on a CPU, for comparison with `swallow-train bench` (cpu_peers.sh).

The model is torch_llama.py's plain one. bf16 means autocast over fp32 parameters in `eager` and
`sdpa`, which is PyTorch's advice for CPUs, or bf16 parameters with fp32 masters with --pure-bf16.
Also runs on releases before scaled_dot_product_attention and torch.compile. Random tokens of one
repeated batch: the loss starts near ln(vocabulary) and falls. Prints one line of JSON.
"""

import argparse
import contextlib
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F

import torch_llama


def plain_attention(q, k, v, is_causal, enable_gqa):
    assert is_causal and not enable_gqa
    s = q.shape[-2]
    future = torch.ones(s, s, dtype=torch.bool).triu(1)
    scores = (q @ k.transpose(-1, -2)) / math.sqrt(q.shape[-1])
    return scores.masked_fill(future, float("-inf")).softmax(-1) @ v


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("layers", "hidden", "ffn", "heads", "seq", "batch"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--vocab", type=int, default=32000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--iters", type=int, default=5)
    parser.add_argument("--dtype", choices=("bf16", "fp32"), required=True)
    parser.add_argument("--mode", choices=("eager", "sdpa", "compile"), required=True)
    parser.add_argument("--pure-bf16", action="store_true")
    return parser.parse_args()


def main():
    a = parse()
    a.kv_heads = a.heads
    torch.manual_seed(1234)
    torch.set_num_threads(a.threads)
    if a.mode == "eager":
        F.scaled_dot_product_attention = plain_attention
    pure = a.dtype == "bf16" and a.pure_bf16
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    torch.set_default_dtype(torch.bfloat16 if pure else torch.float32)
    model = torch_llama.PlainLlama(a)
    torch.set_default_dtype(torch.float32)
    params = list(model.parameters())
    if pure:
        optimizer = torch_llama.MasterAdamW(params)
    else:
        optimizer = torch.optim.AdamW(params, lr=1e-4, betas=(0.9, 0.95), weight_decay=0.1,
                                      **({"fused": True} if release >= (2, 4) else {}))
    tokens = torch.randint(a.vocab, (a.batch, a.seq + 1))

    def loss_of():
        autocast = a.dtype == "bf16" and not pure
        with torch.autocast("cpu", dtype=torch.bfloat16) if autocast else contextlib.nullcontext():
            logits = model(tokens[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

    if a.mode == "compile":
        loss_of = torch.compile(loss_of, dynamic=False)

    losses, seconds = [], []
    for i in range(a.warmup + a.iters):
        began = time.perf_counter()
        loss = loss_of()
        loss.backward()
        if pure:
            optimizer.step()
        else:
            torch.nn.utils.clip_grad_norm_(params, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if i >= a.warmup:
            seconds.append(time.perf_counter() - began)
    print(json.dumps({"torch": torch.__version__, "ms": 1e3 * statistics.median(seconds),
                      "min_ms": 1e3 * min(seconds), "loss_first": losses[0],
                      "loss_last": losses[-1]}))


if __name__ == "__main__":
    main()
