#!/usr/bin/env python3
"""The speed of PyTorch on a Llama, for comparison with `swallow-train bench` on the same GPU.

What a careful user would write: Hugging Face's Llama (or, without transformers, a plain one in this
file), scaled_dot_product_attention, torch.compile, fused AdamW. Parameters, activations and
gradients are bf16; master weights and both moments are fp32, as ours are. Ours accumulates gradients
in fp32, this in bf16, which is in PyTorch's favour. A step is `global-batch / micro-batch`
micro-batches, clipping and one update; random tokens. Writes one JSON object.
"""

import argparse
import contextlib
import json
import math
import platform
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class Norm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        y = x.float()
        y = y * torch.rsqrt(y.square().mean(-1, keepdim=True) + self.eps)
        return self.weight * y.to(x.dtype)


def rotate(x, cos, sin):
    u, w = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-w, u), dim=-1) * sin


class Block(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.heads, self.kv_heads, self.size = a.heads, a.kv_heads, a.hidden // a.heads
        self.input_norm = Norm(a.hidden, 1e-5)
        self.qkv = nn.Linear(a.hidden, (a.heads + 2 * a.kv_heads) * self.size, bias=False)
        self.out = nn.Linear(a.heads * self.size, a.hidden, bias=False)
        self.post_norm = Norm(a.hidden, 1e-5)
        self.gate_up = nn.Linear(a.hidden, 2 * a.ffn, bias=False)
        self.down = nn.Linear(a.ffn, a.hidden, bias=False)

    def forward(self, x, cos, sin):
        b, s, _ = x.shape
        counts = [self.heads, self.kv_heads, self.kv_heads]
        q, k, v = (part.transpose(1, 2) for part in
                   self.qkv(self.input_norm(x)).view(b, s, -1, self.size).split(counts, dim=2))
        attention = F.scaled_dot_product_attention(
            rotate(q, cos, sin), rotate(k, cos, sin), v, is_causal=True,
            enable_gqa=self.heads != self.kv_heads)
        x = x + self.out(attention.transpose(1, 2).reshape(b, s, -1))
        gate, up = self.gate_up(self.post_norm(x)).chunk(2, dim=-1)
        return x + self.down(F.silu(gate) * up)


class PlainLlama(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.embedding = nn.Embedding(a.vocab, a.hidden)
        self.layers = nn.ModuleList(Block(a) for _ in range(a.layers))
        self.norm = Norm(a.hidden, 1e-5)
        self.head = nn.Linear(a.hidden, a.vocab, bias=False)
        size = a.hidden // a.heads
        inverse = 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
        angles = torch.outer(torch.arange(a.seq, dtype=torch.float32), inverse).repeat(1, 2)
        self.register_buffer("cos", angles.cos().to(self.head.weight.dtype))
        self.register_buffer("sin", angles.sin().to(self.head.weight.dtype))
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.normal_(p, std=0.02)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x, self.cos, self.sin)
        return self.head(self.norm(x))


def make_model(a):
    """The model, its decoder layers, a function to logits, and its name."""
    if a.model != "plain":
        try:
            import transformers
            config = transformers.LlamaConfig(
                hidden_size=a.hidden, intermediate_size=a.ffn, num_hidden_layers=a.layers,
                num_attention_heads=a.heads, num_key_value_heads=a.kv_heads, vocab_size=a.vocab,
                max_position_embeddings=a.seq, rms_norm_eps=1e-5, tie_word_embeddings=False,
                use_cache=False, attn_implementation="sdpa")
            model = transformers.LlamaForCausalLM(config)
            name = f"transformers {transformers.__version__}"
            return model, model.model.layers, lambda tokens: model(tokens).logits, name
        except ImportError:
            if a.model == "transformers":
                raise
    model = PlainLlama(a)
    return model, model.layers, model, "plain Llama"


class MasterAdamW:
    """Fused AdamW on fp32 copies of bf16 parameters."""

    def __init__(self, params):
        self.params = list(params)
        self.masters = [p.detach().float() for p in self.params]
        matrices = [m for m in self.masters if m.dim() > 1]
        vectors = [m for m in self.masters if m.dim() == 1]
        self.adamw = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
            lr=1e-4, betas=(0.9, 0.95), fused=True)

    @torch.no_grad()
    def step(self):
        nn.utils.clip_grad_norm_(self.params, 1.0, foreach=True)
        for master, p in zip(self.masters, self.params):
            master.grad = p.grad.float()
            p.grad = None
        self.adamw.step()
        torch._foreach_copy_(self.params, self.masters)
        for master in self.masters:
            master.grad = None


def flops_per_token(a, attention_factor):
    size = a.hidden // a.heads
    layer = a.hidden * (2 * a.heads + 2 * a.kv_heads) * size + 3 * a.hidden * a.ffn
    matrices = a.layers * layer + a.hidden * a.vocab
    return 6 * matrices + attention_factor * a.layers * a.heads * size * a.seq


def peak_tflops(name):
    for part, peak in (("H100 PCIe", 756), ("NVL", 835), ("H100", 989.4), ("H200", 989.4),
                       ("A100", 312)):
        if part in name:
            return peak
    return 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("layers", 32), ("hidden", 4096), ("ffn", 11008), ("heads", 32),
                        ("kv-heads", 32), ("vocab", 32000), ("seq", 4096), ("micro-batch", 1),
                        ("global-batch", 16), ("warmup", 1), ("iters", 5)):
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--model", choices=("auto", "transformers", "plain"), default="auto")
    parser.add_argument("--compile", choices=("layer", "whole", "none"), default="layer",
                        help="whole takes minutes for deep models; layer compiles one for all")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output")
    return parser.parse_args()


def main():
    a = parse()
    gpu = a.device == "cuda"
    torch.manual_seed(1234)
    torch.set_default_dtype(torch.bfloat16)
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = True
    with torch.device(a.device):
        model, layers, logits_of, name = make_model(a)
    torch.set_default_dtype(torch.float32)
    model.train()

    def loss_of(tokens):
        logits = logits_of(tokens[:, :-1])
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())

    if a.compile == "layer":
        for layer in layers:
            layer.compile(dynamic=False)
        loss_function = torch.compile(
            lambda logits, targets: F.cross_entropy(logits.flatten(0, 1).float(),
                                                    targets.flatten()), dynamic=False)

        def loss_of(tokens):  # noqa: F811
            return loss_function(logits_of(tokens[:, :-1]), tokens[:, 1:])
    elif a.compile == "whole":
        loss_of = torch.compile(loss_of, dynamic=False)

    optimizer = MasterAdamW(model.parameters())
    microbatches = a.global_batch // a.micro_batch
    attention = contextlib.nullcontext()
    if gpu:
        from torch.nn.attention import SDPBackend, sdpa_kernel
        attention = sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION],
                                set_priority=True)

    def step():
        total = 0.0
        for _ in range(microbatches):
            tokens = torch.randint(a.vocab, (a.micro_batch, a.seq + 1), device=a.device)
            loss = loss_of(tokens) / microbatches
            loss.backward()
            total = total + loss.detach()
        optimizer.step()
        return float(total)  # waits for the step, as our loop does

    losses, seconds = [], []
    with attention:
        for i in range(a.warmup + a.iters):
            began = time.perf_counter()
            losses.append(step())
            if i >= a.warmup:
                seconds.append(time.perf_counter() - began)
    if not all(map(math.isfinite, losses)):
        raise SystemExit(f"a loss is not finite: {losses}")

    device = torch.cuda.get_device_name() if gpu else platform.processor()
    median = statistics.median(seconds)
    speed = a.global_batch * a.seq / median
    tflops = [float(f"{speed * flops_per_token(a, factor) / 1e12:.6g}") for factor in (6, 12)]
    peak = peak_tflops(device)
    record = {
        "kind": "peer", "peer": f"PyTorch {torch.__version__}, {name}", "device_name": device,
        "config": {key: value for key, value in vars(a).items() if key != "output"},
        "state": "bf16 parameters and gradients, fp32 master weights and moments",
        "step_ms": {"count": len(seconds), "median": 1e3 * median, "min": 1e3 * min(seconds),
                    "max": 1e3 * max(seconds)},
        "tokens_per_second_per_rank": float(f"{speed:.6g}"), "tflops_per_rank_causal": tflops[0],
        "tflops_per_rank_full_attention": tflops[1], "peak_tflops": peak,
        "mfu_causal": float(f"{tflops[0] / peak:.6g}") if peak else 0,
        "peak_device_bytes": torch.cuda.max_memory_allocated() if gpu else 0,
        "loss_first": losses[0], "loss_last": losses[-1],
        "cuda": torch.version.cuda, "cudnn": torch.backends.cudnn.version() if gpu else None}
    print(json.dumps(record, indent=1))
    if a.output:
        with open(a.output, "w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.write("\n")


if __name__ == "__main__":
    main()
