#!/usr/bin/env python3
"""acre run --html: run_html.py BUILD_DIRECTORY. What the page has in it, and that it needs nothing else."""
import json
import os
import re
import subprocess
import sys
import tempfile

BUILD = os.path.abspath(sys.argv[1])
ACRE = os.path.join(BUILD, "bin", "acre")
LIVE_MOST = 10 * 2000 * 1024  # what run_html.c holds at its peak, in blocks of its size class


def run(page, *command):
    done = subprocess.run([ACRE, "run", "--report", "/dev/null", "--html", page, "--", *command], capture_output=True,
                          text=True, timeout=100, check=False)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    found = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S)
    return done, text, json.loads(found.group(1))


def check_page(folder):
    done, text, data = run(os.path.join(folder, "page.html"), os.path.join(BUILD, "tests", "bin", "tool_run_html"))
    assert (done.returncode, done.stderr) == (3, ""), done
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(["']?http""", text), "it loads something"
    assert "@DATA@" not in text and ".js@" not in text and "Dygraph" in text
    samples = data["timeline"]["samples"]
    times = [sample["t"] for sample in samples]
    assert len(samples) >= 4 and times == sorted(times), times
    assert data["run"]["exit"] == {"status": 3} and data["title"].endswith("tool_run_html")
    live = [sample["live"] for sample in samples]
    assert max(live) > LIVE_MOST / 4 and live[-1] < max(live) / 4, live
    assert max(live) < LIVE_MOST * 1.1, live
    assert samples[-1]["calls"] >= samples[0]["calls"] and samples[-1]["calls"] >= 2000
    for sample in samples:
        assert sample["resident"] >= sample["partly"] + sample["retained"], sample
        for start, cell, _, letters in sample["strip"]:
            assert start % 4096 == 0 and cell >= 4096 and set(letters) <= set("12345678smfo. "), sample
    check_pictures(data["timeline"])


def check_pictures(timeline):
    peak, end = timeline["peak_why"], timeline["end_why"]
    assert peak["resident_bytes"] == sum(peak["buckets"].values())
    assert peak["resident_bytes"] >= end["resident_bytes"]
    samples = timeline["samples"]
    assert max(sample["resident"] for sample in samples) <= peak["resident_bytes"] * 1.1 + 4096
    resident = {sample["t"]: sample["resident"] for sample in samples}
    assert resident[timeline["peak_s"]] == peak["resident_bytes"], (timeline["peak_s"], resident)
    assert resident[timeline["end_s"]] == end["resident_bytes"], (timeline["end_s"], resident)
    assert peak["kernel_bytes"] is None  # it is not asked
    for name in "peak", "end":
        cells = timeline[name + "_map"]
        live = sum(sum(segment["live_bytes"]) for segment in cells["segments"])
        assert live == timeline[name + "_why"]["live_bytes"], name
        assert len(cells["colours"]["levels"]) == 8


def check_short_peaks(folder):
    """Each higher than all before, and soon over: the picture is of the highest that was seen, or nearly."""
    code = ("import time\nfor i in range(6):\n"
            "    much = b'x' * (8 * 2 ** i << 19); time.sleep(0.06); del much; time.sleep(0.06)")
    for _ in range(4):  # if the picture were made some time later, most of these would have another one
        check_pictures(run(os.path.join(folder, "peaks.html"), sys.executable, "-c", code)[2]["timeline"])


def check_short(folder):
    done, _, data = run(os.path.join(folder, "short.html"), "/bin/true")
    assert done.returncode == 0 and data["timeline"]["samples"] == [], data
    done, _, data = run(os.path.join(folder, "none.html"), "/nowhere/program")
    assert done.returncode == 127 and data["timeline"] is None, data


def check_children(folder):
    """The page has the started process in its pictures, and says that the others are not."""
    page = os.path.join(folder, "children.html")
    done = subprocess.run([ACRE, "run", "--children", "--report", "/dev/null", "--html", page, "--", "sh", "-c",
                           "sleep 0.2; sleep 0.1"], capture_output=True, text=True, timeout=100, check=False)
    with open(page, encoding="utf-8") as file:
        text = file.read()
    data = json.loads(re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.S).group(1))
    assert done.returncode == 0 and len(data["run"]["processes"]) >= 2, data["run"]["processes"]
    assert data["timeline"]["end_why"]["pid"] in [each["pid"] for each in data["run"]["processes"]]
    assert "and not looked at" in text


def check_refusals():
    done = subprocess.run([ACRE, "run", "--html", "/nowhere/page.html", "--", "/bin/true"], capture_output=True, text=True,
                          timeout=100, check=False)
    assert done.returncode == 125 and done.stderr.count("\n") == 1, done


def main():
    with tempfile.TemporaryDirectory(prefix="acre-html-") as folder:
        check_page(folder)
        check_short_peaks(folder)
        check_short(folder)
        check_children(folder)
    check_refusals()


if __name__ == "__main__":
    main()
