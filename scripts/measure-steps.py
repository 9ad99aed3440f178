#!/usr/bin/env python3
"""Times prefill and decode steps of a model with random weights on one GPU, with PyTorch alone, and writes the CSV that
`regionsim calibrate` reads.

    python3 scripts/measure-steps.py --model llama-3.1-8b --gpu h100-sxm --out steps.csv
    regionsim calibrate steps.csv --out mine.toml

One decoder layer is held once and run as many times as the model has layers with different copies of its weights where
memory allows, so that weights come from memory and not from a cache. What an engine adds (scheduler, sampling, paging)
is not in these times: fit `e_c`, `e_m`, `e_kv`, `e_a` here, and the overheads from serving points.
`--dry-run` does the same on the CPU with a tiny model, to try the script out.
"""

import argparse
import csv
import statistics
import sys
import time

import torch
import torch.nn.functional as F

# layers, hidden, heads, KV heads, head width, inner width, vocabulary: as in src/catalog/data/models.csv.
MODELS = {
    "llama-3.2-1b": (16, 2048, 32, 8, 64, 8192, 128256),
    "llama-3.1-8b": (32, 4096, 32, 8, 128, 14336, 128256),
    "llama-3.1-70b": (80, 8192, 64, 8, 128, 28672, 128256),
    "qwen3-8b": (36, 4096, 32, 8, 128, 12288, 151936),
    "qwen3-14b": (40, 5120, 40, 8, 128, 17408, 151936),
    "qwen3-32b": (64, 5120, 64, 8, 128, 25600, 151936),
}
TINY = (2, 64, 4, 2, 16, 128, 256)
COLUMNS = ["model", "gpu", "tp", "weights", "tokens", "sequences", "prefills", "prefill_pairs2", "context_tokens", "step_us"]


class Model:
    """A decoder with random weights in BF16: grouped-query attention, gated feed-forward, RMS norms."""

    def __init__(self, dims, device, copies):
        self.layers, d, self.heads, self.kv, self.width, ff, vocab = dims
        self.device, self.dtype = device, torch.bfloat16
        random = lambda *shape: torch.randn(*shape, device=device, dtype=self.dtype) * 0.02
        qkv = (self.heads + 2 * self.kv) * self.width
        self.copies = [
            (random(qkv, d), random(d, self.heads * self.width), random(2 * ff, d), random(d, ff)) for _ in range(copies)
        ]
        self.norm = torch.ones(d, device=device, dtype=self.dtype)
        self.head = random(vocab, d)
        self.hidden, self.ff = d, ff

    def step(self, batch, tokens, context, cache):
        """One forward pass: `batch` sequences of `tokens` new tokens each over `context` cached ones."""
        x = torch.zeros(batch, tokens, self.hidden, device=self.device, dtype=self.dtype)
        for layer in range(self.layers):
            qkv_w, out_w, up_w, down_w = self.copies[layer % len(self.copies)]
            h = F.rms_norm(x, (self.hidden,), self.norm)
            q, k, v = F.linear(h, qkv_w).split(
                [self.heads * self.width, self.kv * self.width, self.kv * self.width], dim=-1
            )
            shape = lambda t, n: t.view(batch, tokens, n, self.width).transpose(1, 2)
            q, k, v = shape(q, self.heads), shape(k, self.kv), shape(v, self.kv)
            if context:
                # Written into its place, as an engine does: joining would copy the whole cache.
                cache[0][:, :, context:], cache[1][:, :, context:] = k, v
                k, v = cache
            attended = F.scaled_dot_product_attention(q, k, v, is_causal=tokens > 1 and not context, enable_gqa=True)
            x = x + F.linear(attended.transpose(1, 2).reshape(batch, tokens, -1), out_w)
            h = F.rms_norm(x, (self.hidden,), self.norm)
            gate, up = F.linear(h, up_w).chunk(2, dim=-1)
            x = x + F.linear(F.silu(gate) * up, down_w)
        return F.linear(x[:, -1], self.head).argmax(dim=-1)


def timed(model, batch, tokens, context, repeats):
    """The median time of a step, in microseconds."""
    make = lambda: torch.zeros(batch, model.kv, context + tokens, model.width, device=model.device, dtype=model.dtype)
    cache = (make(), make()) if context else None
    wait = torch.cuda.synchronize if model.device == "cuda" else lambda: None
    times = []
    with torch.inference_mode():
        for run in range(repeats + 3):
            wait()
            begin = time.perf_counter()
            model.step(batch, tokens, context, cache)
            wait()
            if run >= 3:
                times.append((time.perf_counter() - begin) * 1e6)
    return statistics.median(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=sorted(MODELS), default="llama-3.1-8b")
    parser.add_argument("--gpu", default="h100-sxm", help="the GPU's name in `regionsim catalog gpus`")
    parser.add_argument("--out", default="-")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--copies", type=int, default=4, help="layers with weights of their own")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args()
    if not options.dry_run and not torch.cuda.is_available():
        sys.exit("no CUDA GPU is visible; --dry-run tries the script on the CPU")
    device = "cpu" if options.dry_run else "cuda"
    dims = TINY if options.dry_run else MODELS[options.model]
    model = Model(dims, device, min(options.copies, dims[0]))
    if options.dry_run:
        decodes = [(q, s) for q in (1, 4) for s in (16, 64)]
        prefills = [16, 64]
    else:
        decodes = [(q, s) for q in (1, 4, 16, 64, 128, 256) for s in (128, 1024, 4096) if q * s <= 262144]
        prefills = [64, 128, 256, 512, 1024, 2048, 4096, 8192]
    out = sys.stdout if options.out == "-" else open(options.out, "w", newline="")
    rows = csv.writer(out)
    rows.writerow(COLUMNS)
    name = [options.model, options.gpu, 1, "bf16"]
    for sequences, context in decodes:
        step_us = timed(model, sequences, 1, context, options.repeats)
        rows.writerow([*name, sequences, sequences, 0, 0, sequences * context, f"{step_us:.1f}"])
    for tokens in prefills:
        step_us = timed(model, 1, tokens, 0, options.repeats)
        rows.writerow([*name, tokens, 1, 1, tokens * (tokens + 1), 0, f"{step_us:.1f}"])
    if out is not sys.stdout:
        out.close()


if __name__ == "__main__":
    main()
