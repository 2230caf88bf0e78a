#!/usr/bin/env python3
"""The judgement of Hugging Face's `transformers` on folders that we read and write.

  make_hf_fixture.py                        writes test/golden/hf_tiny_gqa and hf_tiny_mha
  make_hf_fixture.py --judge FOLDER BINARY  compares BINARY's loss on a folder with transformers'

Needs torch, transformers (5) and safetensors, e.g. in a virtual environment; tests only read the
files, so it is run again only when the fixture's definition changes. A fixture is a small Llama as
transformers saves it, in one case turned into the spelling of transformers 4, and expected.json:
tokens, the loss of each, and all logits behind the last one, computed by transformers in fp32.
"""

import argparse
import json
import math
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

import torch
import torch.nn.functional as F
import transformers

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "test" / "golden"
VOCAB, BATCH, SEQUENCE = 96, 2, 12


def config(kv_heads, theta):
    return transformers.LlamaConfig(
        vocab_size=VOCAB, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=kv_heads, max_position_embeddings=128,
        rms_norm_eps=1e-5, initializer_range=0.15, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": theta})


def load(folder):
    """In fp32 whatever the file's type, without fused attention."""
    return transformers.LlamaForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager").eval()


def losses_and_logits(model, tokens):
    """tokens [b, s + 1] -> loss of each next token [b, s], logits [b, s, v]."""
    with torch.no_grad():
        logits = model(tokens[:, :-1], use_cache=False).logits.float()
    losses = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return losses.view(tokens.shape[0], -1), logits


def spell_as_version_4(path):
    """What transformers 4.31 to 4.57 wrote, as in the repositories of Llama 2."""
    fields = json.loads(path.read_text())
    fields["torch_dtype"] = fields.pop("dtype")
    fields["rope_theta"] = fields.pop("rope_parameters")["rope_theta"]
    fields["rope_scaling"] = None
    fields.pop("head_dim", None)
    fields["transformers_version"] = "4.31.0"
    path.write_text(json.dumps(fields, indent=2) + "\n")


def make(name, kv_heads, theta, dtype, shard_size, version_4):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    torch.manual_seed(1234)
    model = transformers.LlamaForCausalLM(config(kv_heads, theta))
    for parameter in model.parameters():
        if parameter.dim() == 1:  # norms start at one, where a mistake would not show
            parameter.data.uniform_(0.5, 1.5)
    model.to(dtype).save_pretrained(folder, max_shard_size=shard_size)
    if version_4:
        spell_as_version_4(folder / "config.json")
    (folder / "generation_config.json").unlink()
    for path in folder.iterdir():
        path.chmod(0o644)
    tokens = torch.randint(VOCAB, (BATCH, SEQUENCE + 1))
    losses, logits = losses_and_logits(load(folder), tokens)
    expected = {"made_by": f"transformers {transformers.__version__}, torch {torch.__version__}",
                "tokens": tokens.tolist(),
                "losses": losses.tolist(),
                "last_logits": logits[:, -1].tolist()}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
    size = sum(path.stat().st_size for path in folder.iterdir())
    print(f"{folder}: {size} bytes, mean loss {losses.mean():.6f}")


def write_dataset(prefix, tokens):
    """One document as Megatron's .bin and .idx of uint16 tokens."""
    pathlib.Path(prefix + ".bin").write_bytes(struct.pack(f"<{len(tokens)}H", *tokens))
    pathlib.Path(prefix + ".idx").write_bytes(
        b"MMIDIDX\0\0" + struct.pack("<QBQQ", 1, 8, 1, 2) + struct.pack("<i", len(tokens)) +
        struct.pack("<q", 0) + struct.pack("<2q", 0, 1))


def judge(folder, binary):
    """One step over a dataset of exactly one epoch: its loss is the mean over all windows, in
    whatever order they come."""
    model = load(folder)
    c = model.config
    windows, sequence = 16, 32
    torch.manual_seed(99)
    tokens = torch.randint(c.vocab_size, (windows * sequence + 1,))
    rows = torch.stack([tokens[i * sequence:(i + 1) * sequence + 1] for i in range(windows)])
    theirs = losses_and_logits(model, rows)[0].mean().item()
    theta = (getattr(c, "rope_parameters", None) or {}).get("rope_theta") or c.rope_theta
    with tempfile.TemporaryDirectory() as work:
        write_dataset(f"{work}/text", tokens.tolist())
        subprocess.run(
            [binary, "--load", folder, "--train-data-path", f"{work}/text", "--train-iters", "1",
             "--global-batch-size", str(windows), "--seq-length", str(sequence), "--eval-iters", "0",
             "--params-dtype", "fp32", "--log-dir", work, "--vocab-size", str(c.vocab_size),
             "--num-layers", str(c.num_hidden_layers), "--hidden-size", str(c.hidden_size),
             "--ffn-hidden-size", str(c.intermediate_size),
             "--num-attention-heads", str(c.num_attention_heads),
             "--num-query-groups", str(c.num_key_value_heads), "--rotary-base", str(theta),
             "--norm-epsilon", str(c.rms_norm_eps)],
            check=True, stdout=subprocess.DEVNULL)
        lines = [json.loads(line) for line in open(f"{work}/metrics.jsonl", encoding="utf-8")]
    ours = next(line["loss"] for line in lines if line.get("kind") == "step")
    difference = abs(ours - theirs)
    print(f"{folder}: loss {ours:.7f} here, {theirs:.7f} in transformers "
          f"{transformers.__version__}, difference {difference:.2e}")
    return 0 if math.isfinite(difference) and difference <= 1e-4 else 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--judge", nargs=2, metavar=("FOLDER", "BINARY"))
    arguments = parser.parse_args()
    if arguments.judge:
        return judge(*arguments.judge)
    make("hf_tiny_gqa", 2, 500000.0, torch.bfloat16, "50KB", version_4=False)
    make("hf_tiny_mha", 4, 10000.0, torch.float16, "5GB", version_4=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
