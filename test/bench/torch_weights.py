"""Weights as `--export-hf` writes them into torch_llama.py's PlainLlama, without other packages."""

import json
import struct

import torch

TYPES = {"F32": torch.float32, "BF16": torch.bfloat16}


def read_safetensors(path):
    """{name: tensor} of a file: 8 bytes of the header's length, a header in JSON, the numbers."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        numbers = bytearray(file.read())
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = TYPES[entry["dtype"]]
        count = (end - begin) // torch.empty((), dtype=dtype).element_size()
        flat = torch.frombuffer(numbers, dtype=dtype, count=count, offset=begin)
        tensors[name] = flat.view(entry["shape"])
    return tensors


def load(model, path):
    """Fails unless the file holds exactly the model's weights. Both rotate halves, so that heads
    need no other order; numbers of bf16 are exact in a model of fp32."""
    weights = read_safetensors(path)

    def take(*names):
        return torch.cat([weights.pop(f"{name}.weight") for name in names])

    state = dict(model.named_buffers())
    state["embedding.weight"] = take("model.embed_tokens")
    state["norm.weight"] = take("model.norm")
    state["head.weight"] = take("lm_head")
    for i in range(len(model.layers)):
        theirs = f"model.layers.{i}."
        state.update({f"layers.{i}.{ours}.weight": take(*(theirs + name for name in names))
                      for ours, names in (
                          ("input_norm", ["input_layernorm"]),
                          ("qkv", [f"self_attn.{part}_proj" for part in "qkv"]),
                          ("out", ["self_attn.o_proj"]),
                          ("post_norm", ["post_attention_layernorm"]),
                          ("gate_up", ["mlp.gate_proj", "mlp.up_proj"]),
                          ("down", ["mlp.down_proj"]))})
    model.load_state_dict({**state, **weights})  # what is left over is refused by its name
