#!/usr/bin/env python3
"""Makes the captures of this folder from longer ones: `make.py SOURCE...`.

Each SOURCE is a folder of scenario folders as the lab writes them: zkN.pcap.gz (cut at 96 bytes),
zkN.full.pcap.gz (the same traffic, whole), zkN.cfg and truth.json. Frames are neither changed nor
invented: a file is trimmed in time, or copied, and packed with gzip -9, or, where that leaves more than
PACKED_SMALL bytes, with `zstd -19` (on the path).
"""

import gzip
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ALL = None
PACKED_SMALL = 100_000
# tests/cli.rs reads it by this name.
AS_IT_WAS = "healthy/zk1.pcap.gz"

# Scenario, folder here, files, window in seconds from the start of the first fault (of the run, where
# nothing was done). ALL: not trimmed. Without a window: from 12.5 s before the first fault to 9 s after
# the last.
SCENARIOS = [
    ("healthy", "healthy", ["zk1", "zk1.full"], ALL),
    ("healthy", "healthy", ["zk5"], (0, 20)),
    ("freeze-follower", "freeze-follower-hosts", ["zk1", "zk2"], (-12.5, 18)),
    ("freeze-follower", "freeze-follower-hosts", ["zk5", "zk5.full"], (-12.1, 16)),
    ("freeze-leader", "freeze-leader", ["zk1", "zk1.full", "zk2", "zk3"], (-12.5, 14)),
    ("cut-follower", "cut-follower", ["zk2", "zk3", "zk5"], (-12.1, 30)),
    ("slow-disk-follower", "slow-disk-follower", ["zk1", "zk1.full", "zk5"], (-12.1, 17)),
    ("slow-disk-leader", "slow-disk-leader", ["zk1", "zk3"], (-12.1, 14)),
    ("loss-follower", "loss-follower", ["zk1", "zk2", "zk3"], (-12.1, 30)),
    ("kill-restart", "kill-restart", ["zk1", "zk1.full", "zk2", "zk3"], (-3, 36)),
    ("snap-sync", "snap-sync", ["zk1", "zk1.full"], (-2, 15)),
    ("snap-sync", "snap-sync", ["zk3"], (11.5, 14)),
    ("snap-sync", "snap-sync", ["zk4", "zk4.full"], (3, 26)),
    ("sasl", "sasl", ["zk1", "zk1.full"], ALL),
    ("sasl", "sasl", ["zk2", "zk3"], (-12.5, 10)),
    ("zk346-cut", "cut-3.4.6", ["zk1", "zk1.full", "zk3"], (-12.5, 18.5)),
    ("zk3414-freeze", "freeze-3.4.14", ["zk1", "zk1.full", "zk3"], (-12.5, 11)),
    ("zk35-freeze", "freeze-3.5.9", ["zk1", "zk2", "zk3", "zk3.full"], (-12.5, 10)),
    ("zk36x", "observer-3.6.2", ["zk3", "zk4", "zk4.full"], (0, 28)),
    ("zk36-obs-freeze", "observer-freeze-3.6.2", ["zk1", "zk2", "zk4", "zk4.full"], (-12.5, 11)),
    ("zk393-slowdisk6", "slow-disk-3.9.3", ["zk1", "zk1.full", "zk3"], (-12.5, 20)),
    ("zk38-cutin", "cut-in", ["zk1", "zk3"], (-12.5, 19)),
    ("zk38-cutout", "cut-out", ["zk1", "zk3"], (-12.5, 19)),
    ("zk38-cutpair", "cut-pair", ["zk1", "zk2", "zk5"], (-12.1, 18.5)),
    ("zk38-cutpair2", "cut-two-pairs", ["zk1", "zk3", "zk5"], (-12.1, 19)),
    ("zk38-crash", "crash-follower", ["zk1", "zk3"], (-12.5, 15)),
    ("zk38-crash-leader", "crash-leader", ["zk1", "zk2", "zk3"], (-12.5, 15)),
    ("zk38-freeze-leader5", "freeze-leader-of-five", ["zk1", "zk4", "zk5"], (-12.5, 10)),
    ("zk38-busy2", "busy", ["zk1", "zk1.full", "zk3"], (-12.5, 19.5)),
    ("zk38-two", "two-faults", ["zk1", "zk2", "zk3", "zk5"], (-12.1, 20)),
    ("zk38-syncslow", "sync-slow", ["zk1", "zk3"], (6, 32)),
    ("zk38-delay", "delay", ["zk1", "zk3"], (-12.5, 14)),
    ("zk38-loss5", "loss-mild", ["zk1", "zk2"], (-12.5, 17)),
    ("leader-mute", "leader-mute", ["zk1", "zk3"], (-7, 18)),
    ("loss-3.6.2", "loss-3.6.2", ["zk1", "zk3"], (-7, 19)),
]


def trim(source, target, window):
    """Copies the frames of a pcap file, little-endian and in microseconds, of a window of time."""
    raw = gzip.decompress(source.read_bytes())
    assert raw[:4] == b"\xd4\xc3\xb2\xa1", source
    kept = [raw[:24]]
    at = 24
    while at + 16 <= len(raw):
        seconds, micros, size, _ = struct.unpack_from("<IIII", raw, at)
        if window is ALL or window[0] <= seconds + micros / 1e6 <= window[1]:
            kept.append(raw[at : at + 16 + size])
        at += 16 + size
    trimmed = b"".join(kept)
    packed = gzip.compress(trimmed, 9, mtime=0)
    if len(packed) > PACKED_SMALL:
        target = target.with_suffix(".zst")
        packed = subprocess.run(["zstd", "-19", "-q"], input=trimmed, capture_output=True, check=True).stdout
    target.write_bytes(packed)


def make(sources, scenario, folder, names, window):
    source = next((root / scenario for root in sources if (root / scenario).is_dir()), None)
    if source is None:
        sys.exit(f"{scenario} is in none of the sources")
    target = HERE / folder
    target.mkdir(exist_ok=True)
    truth = json.loads((source / "truth.json").read_text())
    zero = min([fault["start"] for fault in truth["faults"]], default=truth["start"])
    if window is not ALL:
        window = (zero + window[0], zero + window[1])
    for name in names:
        if f"{folder}/{name}.pcap.gz" == AS_IT_WAS:
            shutil.copyfile(source / f"{name}.pcap.gz", HERE / AS_IT_WAS)
            continue
        trim(source / f"{name}.pcap.gz", target / f"{name}.pcap.gz", window)
    shutil.copyfile(source / "zk1.cfg", target / "zoo.cfg")
    (target / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


def main():
    sources = [Path(path) for path in sys.argv[1:]]
    for scenario in SCENARIOS:
        make(sources, *scenario)
    # tcpdump's own rotation, as it left it.
    source = next(root / "freeze-follower" for root in sources if (root / "freeze-follower").is_dir())
    for path in sorted(source.glob("zk1-*")):
        shutil.copyfile(path, HERE / "freeze-follower" / path.name)
    shutil.copyfile(source / "zk1.cfg", HERE / "freeze-follower" / "zoo.cfg")
    truth = json.loads((source / "truth.json").read_text())
    (HERE / "freeze-follower" / "truth.json").write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
