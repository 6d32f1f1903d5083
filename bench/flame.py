#!/usr/bin/env python3
"""Draws the stacks that `perf script` prints as a flame graph (SVG): bench/profile uses it.

A box is a function, as wide as the share of the samples in which it ran, on top of whoever called it. One tower a
thread; threads that are not named on the command line are left out.
"""

import html
import re
import sys

WIDTH, ROW, LETTER = 1200, 17, 6.6
# A box below this share is a line that nobody can read.
SHARE_MIN = 0.003
DEPTH_MAX = 24
# Where the work of a thread begins.
STARTS = {"Loop::run", "run::write"}


class Node:
    def __init__(self):
        self.samples, self.below = 0, {}

    def step(self, name):
        return self.below.setdefault(name, Node())


def short(name):
    """`<tradewind_engine::core::Core>::form::h0123` is `Core::form`."""
    name = re.sub(r"::h[0-9a-f]{16}$", "", name)
    while inner := re.search(r"<([^<>]*)>", name):
        before = name[: inner.start()]
        # What a method belongs to stays; what a type is made of goes.
        is_owner = not before or before.endswith("::")
        kept = inner[1].removeprefix("impl ").split(" as ")[0].split(" for ")[-1] if is_owner else ""
        name = before + kept + name[inner.end() :]
    return "::".join(name.replace("{{closure}}", "closure").split("::")[-2:])


def stacks(lines):
    """Of every sample its thread and its functions, the outermost first."""
    thread, frames = None, []
    for line in lines:
        if not line.strip():
            if thread:
                yield thread, list(reversed(frames))
            thread, frames = None, []
        elif not line[0].isspace():
            thread = line.split()[0]
        else:
            parts = line.split(None, 1)
            if len(parts) == 2 and parts[1].strip() != "[unknown]":
                frames.append(short(re.sub(r"\+0x[0-9a-f]+( \(.*\))?$| \([^()]*\)$", "", parts[1].strip())))
    if thread:
        yield thread, list(reversed(frames))


def tree(lines, threads):
    root = Node()
    for thread, frames in stacks(lines):
        if thread not in threads:
            continue
        root.samples += 1
        node = root.step(thread)
        node.samples += 1
        # What the runtime does before our first function says nothing, and unwinding may have lost it.
        begin = next((nth for nth, name in enumerate(frames) if name in STARTS), 0)
        last = None
        for name in frames[begin : begin + DEPTH_MAX]:
            if name == last:
                continue
            node, last = node.step(name), name
            node.samples += 1
    return root


def depth(node, whole):
    return 1 + max((depth(below, whole) for below in node.below.values() if below.samples >= whole * SHARE_MIN), default=0)


def boxes(node, left, row, whole, out):
    for name, below in sorted(node.below.items(), key=lambda item: -item[1].samples):
        share = below.samples / whole
        if share < SHARE_MIN:
            continue
        width = share * WIDTH
        out.append((left, row, width, name, share))
        boxes(below, left, row + 1, whole, out)
        left += width


def colour(name):
    # Warm for ours, cold for SQLite and the system.
    ours = "::" in name
    hue = (20 if ours else 205) + sum(map(ord, name)) % 25
    return f"hsl({hue},70%,{68 + sum(map(ord, name)) % 12}%)"


def main():
    root = tree(sys.stdin, sys.argv[1:])
    if not root.samples:
        sys.exit("no samples of these threads: " + ", ".join(sys.argv[1:]))
    out, rows = [], depth(root, root.samples)
    boxes(root, 0.0, 0, root.samples, out)
    height = rows * ROW
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">')
    print(f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>')
    for left, row, width, name, share in out:
        top = height - (row + 1) * ROW
        text = html.escape(name[: int((width - 4) / LETTER)]) if width > 4 * LETTER else ""
        print(f'<g><title>{html.escape(name)}: {share:.1%}</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}" '
              f'height="{ROW - 1}" fill="{colour(name)}"/><text x="{left + 2:.1f}" y="{top + 12}">{text}</text></g>')
    print("</svg>")


if __name__ == "__main__":
    main()
