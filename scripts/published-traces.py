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
    at_ns, opened = 0.0, []
    for i in order:
        at_ns += draw.expovariate(800.0) * 1e9
        opened.append({"t_ns": int(at_ns) // 1000 * 1000, **row(i)})
    write(folder / "kubeai-chwbl.jsonl.gz", source, opened)


def ranvier(folder):
    """30 users in a closed loop with the prompts of the benchmark's own script: seven of ten repeat one of five long ones."""
    draw = random.Random(13)
    users, each = 30, 400
    # Five long prompts of 2,000 to 8,000 tokens: two below 4,000, three above, evenly over each. The question behind a prefix is
    # always the same, so the whole prompt is; 30 tokens are that question and the chat template.
    long = {"large": [(1, 2500), (2, 3500)], "xlarge": [(3, 4667), (4, 6000), (5, 7333)]}
    rows = []
    for turn in range(each):
        for user in range(users):
            number = turn * users + user + 1
            size = draw.choices(["short", "medium", "large", "xlarge"], [0.1, 0.2, 0.3, 0.4])[0]
            if size == "medium" and draw.random() >= 0.9:
                size = "own"
            if size in long:
                tenant, length = draw.choice(long[size])
                prompt = length + 30
                shared = {"prompt_runs": [[tenant, 0, prompt // BLOCK]]}
            elif size == "medium":
                # Two system prompts of some 50 tokens, three questions of some 50 to each.
                tenant, question, prompt = 6 + draw.randrange(2), draw.randrange(3), 100
                shared = {"prompt_runs": [[tenant, 0, 3], [100 + 3 * tenant + question, 0, 3]]}
            elif size == "short":
                tenant, prompt = 8 + draw.randrange(5), 20
                shared = {"prompt_runs": [[tenant, 0, 1]]}
            else:
                tenant, prompt, shared = 1000 + number, 25, {}
            think = int(draw.uniform(0.5, 2.0) * 1e6) * 1000
            when = {"t_ns": think} if turn == 0 else {"think_ns": think, "after": [number - users]}
            rows.append({"id": number, **when, "in": prompt, "out": 100, "tenant": tenant, **shared})
    source = "made by scripts/published-traces.py after Ranvier's benchmark of 30 users"
    write(folder / "ranvier-13b.jsonl.gz", source, rows)


def sglang(folder):
    """The generated shared prefixes of SGLang's serving benchmark, shuffled, all at once: its default lengths and, within one, its
    default number of prompts, in groups of five."""
    draw = random.Random(4)
    groups, each = 205, 5
    rows = [
        {"t_ns": 0, "in": 2048 + 128, "out": 256, "prompt_runs": [[group, 0, 128], [1000 + each * group + prompt, 0, 8]]}
        for group in range(1, groups + 1)
        for prompt in range(each)
    ]
    draw.shuffle(rows)
    write(folder / "sglang-dp8.jsonl.gz", "made by scripts/published-traces.py after SGLang's generated-shared-prefix data", rows)


# What the published raw results of the window tell of its requests (GORGO's repository at 3845dfc, results/2d_v9_tune, least load): how
# many had been sent after so many seconds, every ten seconds or so, ...
GORGO_SENT = """
7.9 0, 8.8 29, 16.6 61, 29.7 130, 39.8 198, 50.3 239, 58.7 280, 65.2 309, 73.9 352, 80.3 373, 91.5 423, 102.5 469, 115.2 530, 126.8 576,
136.9 617, 147.9 665, 158.8 710, 166.3 752, 178.6 815, 189.4 878, 201.3 937, 211.8 977, 223.1 1015, 234.3 1058, 245.0 1106, 256.5 1152,
267.9 1200, 279.4 1252, 290.3 1298, 302.0 1334, 314.4 1400, 324.8 1441, 335.3 1497, 346.4 1535, 357.0 1575, 367.6 1613, 379.0 1674,
385.9 1724, 396.1 1771, 407.1 1813, 419.4 1848, 431.3 1890, 441.8 1918, 453.0 1966, 463.5 1996, 474.3 2032, 484.8 2070, 495.5 2108,
506.5 2144, 518.4 2176, 528.8 2215, 539.1 2252, 551.9 2298, 563.3 2334, 574.8 2359, 586.1 2401, 596.3 2445, 608.9 2478, 619.4 2515,
629.9 2557, 641.9 2594, 652.6 2638, 662.9 2670, 673.8 2701, 684.3 2734, 695.1 2788, 705.6 2822, 715.9 2861, 726.2 2888, 736.3 2923,
746.4 2956, 756.5 2995, 766.8 3026, 778.6 3064, 788.6 3102, 799.8 3146, 810.0 3178, 820.8 3214, 834.1 3252, 845.0 3285, 856.2 3318,
867.5 3352, 879.2 3382, 889.4 3424, 899.9 3457, 910.3 3487, 922.3 3533, 932.8 3566, 944.2 3608, 954.4 3635, 966.4 3665, 977.7 3695,
989.6 3737, 1001.0 3767, 1014.3 3822, 1025.4 3866, 1040.5 3916, 1050.7 3961, 1061.7 4005, 1074.1 4052, 1086.9 4130, 1097.4 4176,
1107.7 4229, 1118.0 4287, 1129.7 4339, 1141.3 4398, 1151.7 4447, 1166.1 4502, 1178.1 4553, 1189.4 4603, 1199.6 4649, 1210.0 4690,
1221.1 4742, 1233.0 4804, 1244.2 4845, 1254.5 4894, 1269.3 4969, 1280.0 5015, 1292.9 5069, 1304.4 5109, 1315.8 5155, 1327.1 5198,
1340.3 5256, 1351.1 5299, 1361.9 5346, 1372.1 5390, 1382.5 5423, 1393.4 5467, 1403.6 5509, 1413.9 5553, 1426.0 5618, 1437.6 5654,
1449.2 5698, 1461.3 5772, 1472.0 5812, 1482.5 5857, 1494.9 5907, 1506.4 5954, 1519.4 6030, 1529.7 6085, 1541.5 6138, 1551.8 6176,
1562.5 6225, 1579.3 6289, 1589.8 6335, 1602.5 6402, 1614.2 6448, 1625.7 6500, 1638.7 6554, 1650.4 6608, 1661.9 6649, 1677.1 6725,
1687.7 6770, 1699.3 6819, 1709.5 6863, 1720.8 6912, 1731.6 6952, 1743.0 6977, 1753.7 7007, 1764.0 7042, 1774.4 7092, 1785.3 7150,
1797.0 7191, 1800.0 7195
"""
# ... and, of 389 of them in six stretches, that 134 had 11 to 17 tokens, and how long the others were at every twentieth of their ranks.
GORGO_SMALL = 134 / 389
GORGO_LENGTHS = [141, 1809, 3351, 4087, 5281, 5754, 6522, 7541, 8327, 8854, 9645, 10457, 11042, 11742, 13150, 13608, 15259, 16404, 17359, 20801, 23778]


def gorgo(folder):
    """7,195 requests of 579 users in half an hour: sent when they were, a third of them one small prompt, the others conversations
    that grow; lengths and share of repeated blocks as published."""
    draw = random.Random(45)
    users, count = 579, 7_195
    small = round(GORGO_SMALL * count)
    # The small prompts are one text. This is a tenant whom the program's session policy sends to Seoul, where the authors' hash sent it.
    whose = 588
    large = count - small
    head = 75  # blocks that all conversations of a user begin with
    activity = [1.0 / rank for rank in range(1, users)]
    sent = [(float(point.split()[0]), int(point.split()[1])) for point in GORGO_SENT.split(",")]
    times = []
    for (begin, before), (end, after) in zip(sent, sent[1:]):
        times += sorted(draw.uniform(begin, end) for _ in range(after - before))
    # Conversations begin at any time; 73.9 % of the large requests go on with one, half a minute after the one before.
    asked, conversations = [], 0
    while len(asked) < large:
        user, conversations = draw.choices(range(users - 1), activity)[0], conversations + 1
        if conversations < users:
            user = conversations - 1
        at = draw.uniform(-60.0, times[-1])
        length = lognormal(draw, 2_000, 1.25)
        turn = 0
        while at < times[-1] and len(asked) < large:
            if at >= 0.0:
                asked.append((at, user, conversations, length))
            if draw.random() > 0.758 or turn > 40:
                break
            at += lognormal(draw, 25, 0.8)
            length += lognormal(draw, 360, 1.0)
            turn += 1
    asked.sort()
    # The rank of a length says how long the prompt was: conversations still grow.
    ranks = {place: rank for rank, place in enumerate(sorted(range(large), key=lambda place: asked[place][3]))}
    lengths = []
    for place in range(large):
        at = ranks[place] / (large - 1) * (len(GORGO_LENGTHS) - 1)
        step = min(int(at), len(GORGO_LENGTHS) - 2)
        lengths.append(GORGO_LENGTHS[step] + (at - step) * (GORGO_LENGTHS[step + 1] - GORGO_LENGTHS[step]))
    lengths = to_total([min(length, 23_600) for length in lengths], round(6_758 * count) - 17 * small, BLOCK + 1)
    kinds = [True] * small + [False] * large
    draw.shuffle(kinds)
    # The authors replay words in place of texts: a prompt has the words of its user's prompt before it as far as that goes, whichever
    # conversation that was of, and new words behind. What a shorter prompt has cut off does not come back. Where messages end stays
    # each conversation's own, so that two share no more than what they begin with.
    rows, seen, words, names, repeated, found, fresh, total, outputs = [], {}, {}, {}, 0, 0, 0, 0, 0
    spoken, texts = {}, 0
    conversations = iter(zip(asked, lengths))
    for at, is_small in zip(times, kinds):
        output = 128 if draw.random() < 0.95 else draw.randint(64, 128)
        row = {"t_ns": int(at * 1e6) * 1000, "in": 17, "out": output, "tenant": whose, "prompt_runs": [[10**6 + whose, 0, 1]]}
        outputs += output
        if not is_small:
            (_, user, conversation, _), length = next(conversations)
            blocks = length // BLOCK
            shared = min(head, blocks)
            fresh += conversation not in seen
            repeated += min(blocks, seen.get(conversation, shared if user in words else 0))
            total += blocks
            seen[conversation] = max(blocks, seen.get(conversation, 0))
            # Words as pieces (text, end): what is kept of the ones before, and a new text behind.
            text = [(name, min(end, blocks)) for name, end in words.get(user, []) if end < blocks]
            text += [(name, blocks) for name, end in words.get(user, []) if end >= blocks][:1]
            if not text or text[-1][1] < blocks:
                texts += 1
                text.append((texts, blocks))
            words[user] = text
            runs, begin = [[10**6 + user, 0, shared]], shared
            for name, end in text:
                if end > begin:
                    runs.append([names.setdefault((conversation, name), len(names) + 1), begin, end - begin])
                    begin = end
            row.update({"in": length, "tenant": user + 1, "prompt_runs": runs})
            ids = [(run, block) for run, start, many in runs for block in range(start, start + many)]
            known = spoken.setdefault(user, set())
            found += next((at for at, block in enumerate(ids) if block not in known), blocks)
            known.update(ids)
        rows.append(row)
    lengths = sorted(row["in"] for row in rows)
    print(f"gorgo: {1 - fresh / large:.3f} go on, {repeated / total:.3f} of the blocks repeat, {found / total:.3f} in the words replayed, {outputs / count:.1f} tokens of output,", end=" ")
    print(f"median prompt {lengths[count // 2]}, p95 {lengths[count * 95 // 100]}, {len(words) + 1} users")
    write(folder / "gorgo-apr5.jsonl.gz", "made by scripts/published-traces.py after what is published of a window of GORGO's evaluation", rows)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else sys.exit(__doc__)
    kubeai(folder)
    ranvier(folder)
    sglang(folder)
    gorgo(folder)


main()
