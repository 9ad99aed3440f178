#!/usr/bin/env python3
"""Writes the traces of scenarios/published that no generator of the program can state.

    python3 scripts/published-traces.py scenarios/published

Python's standard library alone; the same files each time. What is published of each benchmark is in the expectation file
beside the trace, what had to be assumed too.
"""

import gzip
import json
import random
import sys
from pathlib import Path

BLOCK = 16


def lognormal(draw, median, sigma, low=1, high=10**9):
    return min(max(draw.lognormvariate(0.0, sigma) * median, low), high)


def to_total(values, total, low):
    """Whole numbers in proportion to `values` that add up to `total`, each at least `low`."""
    scale = total / sum(values)
    whole = [max(low, round(value * scale)) for value in values]
    step = 0
    while sum(whole) != total:
        at = step % len(whole)
        by = 1 if sum(whole) < total else -1
        if whole[at] + by >= low:
            whole[at] += by
        step += 7919  # a prime: spreads the corrections over all
    return whole


def write(path, source, rows):
    head = {"regionsim_trace": 1, "block_tokens": BLOCK, "source": source}
    lines = [json.dumps(row, separators=(",", ":")) for row in [head, *rows]]
    # No name and no time in the file, so that it is the same each time.
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, 0) as packed:
        packed.write(("\n".join(lines) + "\n").encode())


def kubeai(folder):
    """8,000 prompts cut from 800 conversations, each holding the ones before it: totals as published, lengths assumed."""
    draw = random.Random(800)
    conversations, per = 800, 10
    prompts = []
    for conversation in range(1, conversations + 1):
        scale = lognormal(draw, 1.0, 0.5)
        length = 0.0
        for _ in range(per):
            length += scale * lognormal(draw, 40, 0.8)
            prompts.append((conversation, length))
            length += scale * lognormal(draw, 120, 0.6)
    inputs = to_total([length for _, length in prompts], 6_656_338, BLOCK + 1)
    outputs = to_total([lognormal(draw, 60, 0.7) for _ in prompts], 608_447, 1)
    order = list(range(len(prompts)))
    draw.shuffle(order)
    # A prompt is longer than the ones of its conversation before it, also after rounding: blocks are shared as far as both go.
    row = lambda i: {"in": inputs[i], "out": outputs[i], "prompt_runs": [[prompts[i][0], 0, inputs[i] // BLOCK]]}
    source = "made by scripts/published-traces.py after KubeAI's benchmark of prefix-aware load balancing"
    clients, closed = 800, []
    for at, i in enumerate(order):
        when = {"t_ns": 0} if at < clients else {"think_ns": 0, "after": [at - clients + 1]}
        closed.append({"id": at + 1, **when, **row(i)})
    write(folder / f"kubeai-chwbl-{clients}.jsonl.gz", source, closed)
    at_ns, opened = 0.0, []
    for i in order:
        at_ns += draw.expovariate(800.0) * 1e9
        opened.append({"t_ns": int(at_ns) // 1000 * 1000, **row(i)})
    write(folder / "kubeai-chwbl-8000.jsonl.gz", source, opened)


def ranvier(folder):
    """30 users in a closed loop: prompts of four sizes, the larger two with a shared beginning nine times of ten."""
    draw = random.Random(13)
    users, each = 30, 400
    sizes = [("short", 0.1, 20, 200), ("medium", 0.2, 200, 2000), ("large", 0.3, 2000, 4000), ("xlarge", 0.4, 4000, 8000)]
    weights = [share for _, share, _, _ in sizes]
    # Five in all: two of the large size, three of the larger one, evenly over each.
    prefixes = {"large": [(1, 2500), (2, 3500)], "xlarge": [(3, 4667), (4, 6000), (5, 7333)]}
    rows = []
    for turn in range(each):
        for user in range(users):
            number = turn * users + user + 1
            name, _, low, high = draw.choices(sizes, weights)[0]
            if name in prefixes and draw.random() < 0.9:
                tenant, length = draw.choice(prefixes[name])
                prompt = min(length + draw.randint(30, 170), 8000)
                shared = {"prompt_runs": [[tenant, 0, length // BLOCK], [10**6 + number, 0, prompt // BLOCK - length // BLOCK]]}
            else:
                tenant, prompt, shared = 1000 + number, draw.randint(low, min(high, 8000)), {}
            think = int(draw.uniform(0.5, 2.0) * 1e6) * 1000
            when = {"t_ns": think} if turn == 0 else {"think_ns": think, "after": [number - users]}
            rows.append({"id": number, **when, "in": prompt, "out": 100, "tenant": tenant, **shared})
    source = "made by scripts/published-traces.py after Ranvier's benchmark of 30 users"
    write(folder / "ranvier-13b.jsonl.gz", source, rows)


def sglang(folder):
    """The generated shared prefixes of SGLang's serving benchmark at its defaults, shuffled, all at once."""
    draw = random.Random(4)
    rows = [
        {"t_ns": 0, "in": 2048 + 128, "out": 256, "prompt_runs": [[group, 0, 128], [1000 + 16 * group + prompt, 0, 8]]}
        for group in range(1, 65)
        for prompt in range(16)
    ]
    draw.shuffle(rows)
    write(folder / "sglang-dp8.jsonl.gz", "made by scripts/published-traces.py after SGLang's generated-shared-prefix data", rows)


def gorgo(folder):
    """7,195 requests of 579 users in half an hour: conversations that grow, lengths and share of repeated blocks as published."""
    draw = random.Random(45)
    users, count, window_s = 579, 7_195, 1_800.0
    head = 75  # blocks that all conversations of a user begin with
    activity = [1.0 / rank for rank in range(1, users + 1)]
    # Conversations begin at any time; 73.9 % of the requests go on with one, half a minute after the one before.
    asked, conversations = [], 0
    while len(asked) < count:
        user, conversations = draw.choices(range(users), activity)[0], conversations + 1
        if conversations <= users:
            user = conversations - 1
        at = draw.uniform(-60.0, window_s)
        length = head * BLOCK + lognormal(draw, 2_000, 1.25)
        turn = 0
        while at < window_s and len(asked) < count:
            if at >= 0.0:
                asked.append((at, user, conversations, length))
            if draw.random() > 0.758 or turn > 40:
                break
            at += lognormal(draw, 25, 0.8)
            length += lognormal(draw, 360, 1.0)
            turn += 1
    asked.sort()
    lengths = to_total([min(length, 23_900) for *_, length in asked], round(6_758 * count), (head + 4) * BLOCK)
    rows, seen, users_seen, repeated, fresh = [], {}, set(), 0, 0
    for (at, user, conversation, _), length in zip(asked, lengths):
        blocks = length // BLOCK
        fresh += conversation not in seen
        repeated += min(blocks, seen.get(conversation, head if user in users_seen else 0))
        seen[conversation] = max(blocks, seen.get(conversation, 0))
        users_seen.add(user)
        output = 128 if draw.random() < 0.95 else draw.randint(64, 128)
        row = {"t_ns": int(at * 1e6) * 1000, "in": length, "out": output, "tenant": user + 1}
        rows.append({**row, "prompt_runs": [[10**6 + user, 0, head], [conversation, 0, blocks - head]]})
    total = sum(row["in"] // BLOCK for row in rows)
    outputs = sum(row["out"] for row in rows) / count
    print(f"gorgo: {1 - fresh / count:.3f} go on, {repeated / total:.3f} of the blocks repeat, {outputs:.1f} tokens of output,", end=" ")
    print(f"median prompt {sorted(lengths)[count // 2]}, p95 {sorted(lengths)[count * 95 // 100]}, {len(users_seen)} users")
    write(folder / "gorgo-apr5.jsonl.gz", "made by scripts/published-traces.py after the statistics of a window of GORGO's evaluation", rows)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else sys.exit(__doc__)
    kubeai(folder)
    ranvier(folder)
    sglang(folder)
    gorgo(folder)


main()
