#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Loops of the kernel's side must go back by a jump. Linux 6.1 takes a step back to an instruction met before only from a
jump, and refuses one that an ordinary instruction falls into ("back-edge from insn 2660 to 2661"), where a compiler laid the loop
out so that it is entered at its middle. This walks each function of the object as that verifier does."""
import os
import struct
import sys

CALL, EXIT, WIDE, JUMP = 0x85, 0x95, 0x18, 0x05


def sections(image):
    """Name, type, link and content of each section."""
    start, = struct.unpack_from("<Q", image, 0x28)
    size, count, names = struct.unpack_from("<HHH", image, 0x3a)
    heads = [struct.unpack_from("<IIQQQQIIQQ", image, start + i * size) for i in range(count)]
    table = image[heads[names][4]:][:heads[names][5]]
    return [(table[h[0]:table.index(b"\0", h[0])].decode(), h[1], h[6], image[h[4]:h[4] + h[5]]) for h in heads]


def functions(image):
    """Name, and instructions as (opcode, offset), of each function."""
    every = sections(image)
    for _, kind, link, content in every:
        if kind != 2:  # SHT_SYMTAB
            continue
        for name, info, _, index, value, size in struct.iter_unpack("<IBBHQQ", content):
            if info & 15 == 2 and size:  # STT_FUNC
                words = every[link][3]
                code = every[index][3][value:value + size]
                yield (words[name:words.index(b"\0", name)].decode(),
                       [(op, offset) for op, _, offset, _ in struct.iter_unpack("<BBhi", code)])


def edges(code, at):
    """Where it goes on from there, and whether a loop may be closed so."""
    op, offset = code[at]
    if op == EXIT:
        return []
    if op == JUMP:
        return [(at + offset + 1, True)]
    if op & 7 in (5, 6) and op != CALL:
        return [(at + 1, True), (at + offset + 1, True)]
    return [(at + (2 if op == WIDE else 1), False)]


def falls_back(code):
    """The instructions that fall into a loop's beginning, by a walk in depth."""
    on_path, done, found = {0}, set(), []
    path = [(0, iter(edges(code, 0)))]
    while path:
        at, rest = path[-1]
        for to, by_jump in rest:
            if to in on_path:
                found += [] if by_jump else [(at, to)]
            elif to not in done:
                on_path.add(to)
                path.append((to, iter(edges(code, to))))
                break
        else:
            path.pop()
            on_path.discard(at)
            done.add(at)
    return found


def main():
    good = [(0xb7, 0), (0x07, 0), (0xa5, -2), (EXIT, 0)]  # r1 = 0; r1 += 1; if r1 < 6 goto -2; exit
    bad = [(0xb7, 0), (JUMP, 1), (0x07, 0), (0xa5, -2), (EXIT, 0)]  # r1 = 0; goto +1; r1 += 1; if r1 < 6 goto -2; exit
    assert not falls_back(good) and falls_back(bad) == [(2, 3)], "this test does not see what it is about"
    path = os.path.join(os.environ["LEAT_BUILD"], "doctor", "doctor.bpf.o")
    with open(path, "rb") as file:
        image = file.read()
    names, failed = set(), 0
    for name, code in functions(image):
        names.add(name)
        for at, to in falls_back(code):
            print(f"FAIL {name}: instruction {at} falls into {to}, a loop's beginning")
            failed += 1
    assert "doctor_call" in names, "the program's main function is not in the object"
    print(f"{len(names)} cases: functions whose loops go back by jumps" if not failed else f"{failed} loops")
    return 1 if failed else 0


sys.exit(main())
