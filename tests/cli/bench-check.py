#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""bench-check.py FILE, or --differ FILE...: looks at the JSON of `leat bench`. Exit status 1 with a line for each thing wrong.

--differ: looks only at whether raw and wrapped make the same transfer calls, to 5 for each GiB, the least of all the files
each; 77 with the reason when that cannot be told, because others were busy while calls were counted: a receiver that is kept
waiting makes the server find its socket full more often."""
import json
import sys

wrong = []


def check(what, message):
    if not what:
        wrong.append(message)


def measured(value, where):
    if value is None:
        return
    for key in ("median", "min", "max", "low95", "high95", "n"):
        check(key in value, f"{where} has no {key}")
    check(0 <= value["min"] <= value["low95"] <= value["median"] <= value["high95"] <= value["max"], f"{where} is out of order")


def differ(files):
    # On a blocking sink whose receiver is late raw makes larger calls, which wait, and wrapped smaller ones, which may not.
    blocking = files[0]["method"]["sink"] == "blocking"
    calls = {"raw": [], "wrapped": []}
    busy = 0
    for data in files:
        for shape in data["shapes"]:
            if shape["direction"] != "file-tcp" or shape["name"] not in calls:
                continue
            if not shape["calls_counted_by"]:
                print("SKIP: system calls cannot be counted here")
                return 77
            calls[shape["name"]].append(shape["transfer_calls_per_gib"])
            busy = max(busy, shape["foreign_cpu_while_counted"])
    if blocking and min(calls["wrapped"]) < 1024:
        print("FAIL: on a blocking sink some calls that must not wait were asked for more than 1 MiB")
        return 1
    raw, wrapped = (max if blocking else min)(calls["raw"]), min(calls["wrapped"])
    apart = abs(raw - wrapped)
    if apart <= 5:
        return 0
    if busy > 0.06 and apart < 0.5 * raw + 5:
        print(f"SKIP: others had {busy:.2f} of a CPU while calls were counted: raw and wrapped differ by {apart:.0f} for each GiB")
        return 77
    print(f"FAIL: raw and wrapped differ by {apart:.0f} calls per GiB; others had {busy:.2f} of a CPU")
    return 1


if sys.argv[1] == "--differ":
    sys.exit(differ([json.load(open(name)) for name in sys.argv[2:]]))
data = json.load(open(sys.argv[1]))
check(data["format"] == "leat-bench" and data["version"] == 2, "format or version")
for key in ("leat", "when", "machine", "method", "rounds", "noisy_rounds_repeated", "control", "self_check", "shapes", "figures"):
    check(key in data, f"no {key}")
for key in ("cpu", "cpus", "memory_bytes", "kernel", "routes"):
    check(data["machine"].get(key), f"machine has no {key}")
for key in ("receiver", "sink", "congestion_control", "size_bytes", "floors"):
    check(key in data["method"], f"method has no {key}")
check(data["rounds"] >= 1, "no rounds")

shapes = {}
for shape in data["shapes"]:
    name = f"{shape['direction']}/{shape['name']}"
    check(name not in shapes, f"{name} is there twice")
    shapes[name] = shape
    for key in ("cpu_ms_per_gib", "ratio_to_floor", "gib_per_s", "gib_per_s_spread", "calls_per_gib", "calls_counted_by", "user_space_bytes_per_gib",
                "route", "reason", "verified"):
        check(key in shape, f"{name} has no {key}")
    if shape["left_out"]:
        continue
    check(shape["verified"] is True, f"{name} is not verified")
    check(shape["cpu_ms_per_gib"], f"{name} was not measured")
    for key in ("cpu_ms_per_gib", "ratio_to_floor", "gib_per_s_spread"):
        measured(shape[key], f"{name} {key}")
    check(isinstance(shape["gib_per_s"], (float, int)), f"{name}: gib_per_s is no number")
    check(shape["gib_per_s"] == shape["gib_per_s_spread"]["median"], f"{name}: gib_per_s is not the median")
    check(shape["ratio_to_floor"]["n"] == data["rounds"], f"{name} misses rounds")

for direction, floor in data["method"]["floors"].items():
    controls = [shape for shape in data["shapes"] if shape["direction"] == direction and shape["is_control"]]
    if not floor:
        check(not controls and data["control"][direction] is None, f"{direction} has a control and no floor")
        continue
    check([shape["name"] for shape in controls] == [f"{floor}-again"], f"{direction} has no control, or another one")
    if controls and not controls[0]["left_out"] and not shapes[f"{direction}/{floor}"]["left_out"]:
        check(data["control"][direction], f"the control of {direction} has no ratio")
        check(data["control"][direction] == controls[0]["ratio_to_floor"], f"the control of {direction} is that of another shape")

for figure in data["figures"]:
    where = f"figure {figure['what']}"
    few = figure["kind"] == "cpu ratio" and figure["ratio"]["n"] < 21
    unsure = few or figure["others_were_busy"]
    check(figure["holds"] is None if unsure else figure["holds"] in (True, False), f"{where}: holds is {figure['holds']}")
for row in data.get("overhead", {}).get("rows", []):
    few = row["ratio"] is None or row["ratio"]["n"] < 21
    sure = row["calls"] <= row["calls_at_most"]
    check((row["holds"] is None) == (few and sure), f"overhead {row['name']}: holds is {row['holds']}")

MIB = 1 << 20
kernel = ("raw", "wrapped", "limit", "section", "rate", "framed")
for name in kernel:
    shape = shapes.get(f"file-tcp/{name}")
    if shape:
        check(shape["route"] == "sendfile" and shape["reason"] == "ok", f"{name} went by {shape['route']}, {shape['reason']}")
for name, reason in (("hash", "needs-content:xxh3"), ("opaque", "opaque-source")):
    shape = shapes.get(f"file-tcp/{name}")
    if shape:
        check(shape["route"] == "copy" and shape["reason"] == reason, f"{name} says {shape['route']}, {shape['reason']}")

if data["method"]["calls_counted_by"]:
    check(data["self_check"] is True, "the planted read did not show")
    for name in ("raw", "wrapped", "limit", "section", "rate"):
        shape = shapes.get(f"file-tcp/{name}")
        if shape:
            check(shape["payload_reads_writes_per_gib"] == 0, f"{name} reads or writes payload")
            check(shape["user_space_bytes_per_gib"] == 0, f"{name} carries bytes")
            check(not {"read", "write", "pread64", "sendto", "recvfrom"} & set(shape["calls_per_gib"]), f"{name} reads or writes")
            check(shape["calls_per_gib"]["sendfile"] > 0, f"{name} makes no sendfile")
    for name in ("hash", "opaque", "c-copy-32k"):
        shape = shapes.get(f"file-tcp/{name}")
        if shape:
            check(abs(shape["user_space_bytes_per_gib"] - (1 << 30)) < MIB, f"{name} should carry every byte")
    copy = shapes.get("file-tcp/c-copy-32k")
    if copy:
        check(abs(copy["calls_per_gib"]["read"] - 32768) < 40, "C read+write of 32 KiB makes another number of reads")
sparse = shapes.get("file-file/sparse")
if sparse and not sparse["left_out"]:
    check("kept as holes" in sparse["explain"], "sparse keeps no holes")

for line in wrong:
    print("FAIL:", line)
sys.exit(1 if wrong else 0)
