#!/usr/bin/python3
"""Writes test/golden: what PyTorch computes for a tiny Llama, for our tests to agree with.

Needs Debian's python3-torch; run it from anywhere. Tests only read the files, so it is run again
only when the fixture's definition changes. Weights and tokens come from Philox counters, as in
src/base/philox.h, so that the fixture need not hold them. Gradients are PyTorch's autograd, updates
PyTorch's AdamW; clipping and the learning rate follow Megatron's formulas.
"""

import json
import math
import pathlib
import platform
import struct

import numpy as np
import torch
import torch.nn.functional as F

SEED = 1234
MODEL = {"hidden": 32, "layers": 2, "heads": 4, "kv_heads": 2, "ffn": 96, "vocab": 64,
         "norm_eps": 1e-5, "rope_theta": 10000.0, "init_std": 0.02}
BATCH, SEQUENCE, STEPS = 2, 16, 10
OPTIMIZER = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-8, "weight_decay": 0.1, "clip_grad": 1.0,
             "max_lr": 1e-3, "min_lr": 1e-4, "warmup_steps": 2, "decay_steps": STEPS}
FOLDER = pathlib.Path(__file__).resolve().parent.parent / "test" / "golden"


def philox(counter, key):
    """Philox4x32-10. `counter`: four uint64 arrays holding 32-bit words; `key`: two words."""
    mask = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    c0, c1, c2, c3 = (np.asarray(c, dtype=np.uint64) for c in counter)
    k0, k1 = key
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = ((p1 >> shift) ^ c1 ^ np.uint64(k0), p1 & mask,
                          (p0 >> shift) ^ c3 ^ np.uint64(k1), p0 & mask)
        k0 = (k0 + 0x9E3779B9) & 0xFFFFFFFF
        k1 = (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c0, c1, c2, c3


def stream_of(name):
    """FNV-1a, 64 bits."""
    digest = 0xCBF29CE484222325
    for byte in name.encode():
        digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return digest


def philox_normal(seed, stream, count):
    """Standard normal numbers of elements 0 .. count - 1, by Box-Muller."""
    element = np.arange(count, dtype=np.uint64)
    high = np.full(count, stream >> 32, dtype=np.uint64)
    low = np.full(count, stream & 0xFFFFFFFF, dtype=np.uint64)
    words = philox((element & np.uint64(0xFFFFFFFF), element >> np.uint64(32), low, high),
                   (seed & 0xFFFFFFFF, seed >> 32))
    u = (words[0].astype(np.float64) + 0.5) * 2.0**-32
    v = (words[1].astype(np.float64) + 0.5) * 2.0**-32
    return np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)


def shapes():
    """Hugging Face names and shapes, in the order of a checkpoint."""
    h, f, v = MODEL["hidden"], MODEL["ffn"], MODEL["vocab"]
    kv = h // MODEL["heads"] * MODEL["kv_heads"]
    table = {"model.embed_tokens.weight": (v, h)}
    for layer in range(MODEL["layers"]):
        p = f"model.layers.{layer}."
        table.update({
            p + "input_layernorm.weight": (h,),
            p + "self_attn.q_proj.weight": (h, h),
            p + "self_attn.k_proj.weight": (kv, h),
            p + "self_attn.v_proj.weight": (kv, h),
            p + "self_attn.o_proj.weight": (h, h),
            p + "post_attention_layernorm.weight": (h,),
            p + "mlp.gate_proj.weight": (f, h),
            p + "mlp.up_proj.weight": (f, h),
            p + "mlp.down_proj.weight": (h, f),
        })
    table.update({"model.norm.weight": (h,), "lm_head.weight": (v, h)})
    return table


def initial_weight(name, shape):
    """N(0, std), residual outputs N(0, std / sqrt(2 layers)), norms 1."""
    if len(shape) == 1:
        return np.ones(shape)
    std = MODEL["init_std"]
    if name.endswith(("o_proj.weight", "down_proj.weight")):
        std /= math.sqrt(2 * MODEL["layers"])
    count = math.prod(shape)
    return (philox_normal(SEED, stream_of(name), count) * std).reshape(shape)


def tokens(step):
    """[batch, sequence + 1]: inputs are all but the last column, targets all but the first."""
    i, j = np.meshgrid(np.arange(SEQUENCE + 1), np.arange(BATCH))
    words = philox((i, j, np.full_like(i, step), np.zeros_like(i)), (77, 0))
    return torch.from_numpy((words[0] % np.uint64(MODEL["vocab"])).astype(np.int64))


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + MODEL["norm_eps"]) * weight


def rope_tables(dtype):
    """[sequence, d / 2] cosines and sines: angles in f64, tables rounded to f32."""
    d = MODEL["hidden"] // MODEL["heads"]
    frequency = MODEL["rope_theta"] ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
    angle = torch.outer(torch.arange(SEQUENCE, dtype=torch.float64), frequency)
    return angle.cos().float().to(dtype), angle.sin().float().to(dtype)


def rope(x, cosine, sine):
    """Half-split form on [b, heads, s, d]."""
    u, w = x.chunk(2, dim=-1)
    return torch.cat((u * cosine - w * sine, w * cosine + u * sine), dim=-1)


def attention(x, weights, prefix, tables):
    n, k = MODEL["heads"], MODEL["kv_heads"]
    d = MODEL["hidden"] // n

    def project(name, heads):
        return (x @ weights[prefix + name].T).view(BATCH, SEQUENCE, heads, d).transpose(1, 2)

    q = rope(project("q_proj.weight", n), *tables)
    key = rope(project("k_proj.weight", k), *tables).repeat_interleave(n // k, dim=1)
    value = project("v_proj.weight", k).repeat_interleave(n // k, dim=1)
    future = torch.ones(SEQUENCE, SEQUENCE, dtype=torch.bool).triu(1)
    scores = (q @ key.transpose(-1, -2) / math.sqrt(d)).masked_fill(future, -math.inf)
    out = (scores.softmax(-1) @ value).transpose(1, 2).reshape(BATCH, SEQUENCE, n * d)
    return out @ weights[prefix + "o_proj.weight"].T


def loss_of(weights, batch):
    """Mean cross-entropy over all positions."""
    dtype = weights["lm_head.weight"].dtype
    tables = rope_tables(dtype)
    x = weights["model.embed_tokens.weight"][batch[:, :-1]]
    for layer in range(MODEL["layers"]):
        p = f"model.layers.{layer}."
        x = x + attention(rms_norm(x, weights[p + "input_layernorm.weight"]), weights,
                          p + "self_attn.", tables)
        y = rms_norm(x, weights[p + "post_attention_layernorm.weight"])
        y = F.silu(y @ weights[p + "mlp.gate_proj.weight"].T) * (
            y @ weights[p + "mlp.up_proj.weight"].T)
        x = x + y @ weights[p + "mlp.down_proj.weight"].T
    logits = rms_norm(x, weights["model.norm.weight"]) @ weights["lm_head.weight"].T
    return F.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())


def learning_rate(steps_done):
    """Megatron's: the first update uses the rate of zero steps, which is zero under warm-up."""
    o = OPTIMIZER
    if steps_done <= o["warmup_steps"]:
        return o["max_lr"] * steps_done / o["warmup_steps"]
    ratio = (steps_done - o["warmup_steps"]) / (o["decay_steps"] - o["warmup_steps"])
    return o["min_lr"] + 0.5 * (math.cos(math.pi * ratio) + 1) * (o["max_lr"] - o["min_lr"])


def train(dtype):
    """Ten steps. Returns losses, gradient norms, and the gradients of the first step."""
    weights = {name: torch.tensor(initial_weight(name, shape), dtype=dtype, requires_grad=True)
               for name, shape in shapes().items()}
    o = OPTIMIZER
    groups = [
        {"params": [w for w in weights.values() if w.dim() > 1], "weight_decay": o["weight_decay"]},
        {"params": [w for w in weights.values() if w.dim() == 1], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=0.0, betas=(o["beta1"], o["beta2"]), eps=o["eps"])
    losses, norms, first = [], [], {}
    for step in range(STEPS):
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of(weights, tokens(step))
        loss.backward()
        if step == 0:
            first = {name: w.grad.numpy().copy() for name, w in weights.items()}
        norm = math.sqrt(sum(float(w.grad.double().pow(2).sum()) for w in weights.values()))
        clip = o["clip_grad"] / (norm + 1e-6)
        if clip < 1:
            for w in weights.values():
                w.grad.mul_(clip)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step)
        optimizer.step()
        losses.append(loss.item())
        norms.append(norm)
    return losses, norms, first


def write_safetensors(path, tensors):
    """The length of a JSON header, the header, the data; F64, little-endian, in order."""
    header, data = {}, b""
    for name, values in tensors.items():
        raw = values.astype("<f8").tobytes()
        header[name] = {"dtype": "F64", "shape": list(values.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def main():
    torch.set_num_threads(1)
    losses, norms, gradients = train(torch.float64)
    losses_f32, _, _ = train(torch.float32)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_safetensors(FOLDER / "tiny_llama_gradients.safetensors", gradients)
    golden = {
        "made_by": "scripts/make_golden.py",
        "versions": {"python": platform.python_version(), "torch": torch.__version__,
                     "numpy": np.__version__},
        "seed": SEED,
        "model": MODEL,
        "batch": BATCH,
        "sequence": SEQUENCE,
        "optimizer": OPTIMIZER,
        "learning_rates": [learning_rate(step) for step in range(STEPS)],
        "losses": losses,
        "grad_norms": norms,
        "losses_f32": losses_f32,
        "first_weights": {name: initial_weight(name, shape).flatten()[:4].tolist()
                          for name, shape in shapes().items()},
        "first_tokens": [tokens(step)[1, :8].tolist() for step in range(2)],
        "gradients": "tiny_llama_gradients.safetensors",
    }
    (FOLDER / "tiny_llama.json").write_text(json.dumps(golden, indent=1) + "\n")
    print("losses", losses, "norms", norms, sep="\n")


if __name__ == "__main__":
    main()
