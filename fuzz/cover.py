#!/usr/bin/env python3
"""Names the inputs that reach the most, of those in the control file of a merge (`-set_cover_merge=1`) of libFuzzer.

Usage: cover.py FILE INPUTS_MAX BYTES_MAX

A merge itself keeps hundreds of inputs for a target: for the last of what they reach, a test is not to take its time.
"""

import sys

path, inputs_max, bytes_max = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with open(path, encoding="utf-8") as control:
    count = int(next(control))
    next(control)
    names = [next(control).rstrip("\n") for _ in range(count)]
    sizes, reaches = {}, {}
    for line in control:
        kind, number, *rest = line.split()
        if kind == "STARTED":
            sizes[int(number)] = int(rest[0])
        elif kind == "FT":
            reaches[int(number)] = set(rest)

left = {number for number in reaches if sizes[number] <= bytes_max}
reached = set()
for _ in range(inputs_max):
    best = max(left, key=lambda number: (len(reaches[number] - reached), -sizes[number]), default=None)
    if best is None or not reaches[best] - reached:
        break
    left.remove(best)
    reached |= reaches[best]
    print(names[best])
