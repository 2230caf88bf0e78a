#!/usr/bin/env python3
"""The speed and losses of PyTorch on a Llama on a CPU, for comparison with ours (cpu_peers.sh).

The model is torch_llama.py's plain one. The batch, the same every step, and the first weights are
those that cpu_peers.sh gives ours, and so is the optimizer: matrices decay, norms do not. bf16
means autocast over fp32 parameters in `eager` and `sdpa`, which is PyTorch's advice for CPUs, or
bf16 parameters with fp32 masters with --pure-bf16. Also runs on releases before
scaled_dot_product_attention and torch.compile. Prints one line of JSON.
"""

import argparse
import contextlib
import json
import math
import statistics
import time

import torch
import torch.nn.functional as F

import peer_tokens
import torch_llama
import torch_weights


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
    parser.add_argument("--tokens", required=True, help="folder that peer_tokens.py has filled")
    parser.add_argument("--weights", required=True, help="model.safetensors of an --export-hf")
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
    torch.set_num_threads(a.threads)
    if a.mode == "eager":
        F.scaled_dot_product_attention = plain_attention
    pure = a.dtype == "bf16" and a.pure_bf16
    release = tuple(int(part) for part in torch.__version__.split(".")[:2])
    torch.set_default_dtype(torch.bfloat16 if pure else torch.float32)
    model = torch_llama.PlainLlama(a)
    torch.set_default_dtype(torch.float32)
    torch_weights.load(model, a.weights)
    params = list(model.parameters())
    if pure:
        optimizer = torch_llama.MasterAdamW(params)
    else:
        optimizer = torch.optim.AdamW(
            [{"params": [p for p in params if p.dim() > 1], "weight_decay": 0.1},
             {"params": [p for p in params if p.dim() == 1], "weight_decay": 0.0}],
            lr=1e-4, betas=(0.9, 0.95), **({"fused": True} if release >= (2, 4) else {}))
    tokens = torch.tensor(peer_tokens.read(a.tokens, a.batch))

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
                      "min_ms": 1e3 * min(seconds), "losses": losses}))


if __name__ == "__main__":
    main()
