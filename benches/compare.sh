#!/usr/bin/env bash
# Times qscope against other tools over the same captures, in turn in one run, and prints a table of medians.
#
#     benches/compare.sh [FRAMES [RUNS]]
#
# Makes its captures from testdata in $TMPDIR (about 250 bytes a frame, gone afterwards). What cannot be
# measured because a tool is not installed is said below the table.
set -euo pipefail
cd "$(dirname "$0")/.."

frames=${1:-10000000}
runs=${2:-5}
source=testdata/healthy/zk5.pcap.zst
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
missing=()

cargo build --release --quiet
cargo build --release --quiet --example enlarge
qscope=target/release/qscope
enlarge=target/release/examples/enlarge

has() {
    if command -v "$1" >/dev/null; then
        return 0
    fi
    missing+=("$1 is not installed: $2")
    return 1
}

# Wall time of a command in seconds.
wall() {
    local TIMEFORMAT=%R
    { time "$@" >/dev/null 2>&1; } 2>&1
}

median() {
    sort -n | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# compare WORK WHAT-A WHAT-B -- COMMAND-A -- COMMAND-B: medians, and that of the ratios of pairs.
compare() {
    local work_name=$1 name_a=$2 name_b=$3 a=() b=() run times_a=() times_b=()
    shift 4
    while [ "$1" != -- ]; do
        a+=("$1")
        shift
    done
    shift
    b=("$@")
    wall "${a[@]}" >/dev/null
    wall "${b[@]}" >/dev/null
    for ((run = 0; run < runs; run++)); do
        times_a+=("$(wall "${a[@]}")")
        times_b+=("$(wall "${b[@]}")")
    done
    local ratio
    ratio=$(for run in "${!times_a[@]}"; do
        awk -v a="${times_a[run]}" -v b="${times_b[run]}" 'BEGIN { print a / b }'
    done | median)
    printf '| %s | %s %.2f s | %s %.2f s | %.2f |\n' "$work_name" \
        "$name_a" "$(printf '%s\n' "${times_a[@]}" | median)" \
        "$name_b" "$(printf '%s\n' "${times_b[@]}" | median)" "$ratio"
}

memory() {
    if has /usr/bin/time "no memory of $1"; then
        shift
        /usr/bin/time -f %M "$@" 2>&1 >/dev/null | tail -n 1 | awk '{ printf "%.0f MiB", $1 / 1024 }'
    fi
}

plain=$work/plain.pcap
many=$work/many.pcap
"$enlarge" "$plain" "$frames" 1 "$source"
"$enlarge" "$many" "$frames" 2500 "$source"
mib=$(($(stat -c %s "$plain") / 1048576))

echo "$frames frames cut at 96 bytes, $mib MiB; $(nproc) processors; medians of $runs pairs of runs in turn"
echo
echo "| work | qscope | other | ratio |"
echo "| --- | --- | --- | --- |"
for threads in 2 1; do
    mine=("$qscope" replay --threads "$threads" --format json)
    name="$threads threads"
    if has tcpdump "plain capture, $name"; then
        compare "plain capture, $name" replay "tcpdump -w" -- "${mine[@]}" "$plain" -- tcpdump -r "$plain" -w /dev/null
    fi
done
compare "2,500 copies at once against one" "2,500" "one" -- "$qscope" replay --format json "$many" -- \
    "$qscope" replay --format json "$plain"
if has tshark "plain capture of a tenth"; then
    "$enlarge" "$work/tenth.pcap" $((frames / 10)) 1 "$source"
    compare "a tenth of it" replay "tshark -z io,stat" -- "$qscope" replay --format json "$work/tenth.pcap" -- \
        tshark -r "$work/tenth.pcap" -q -z io,stat,0
fi
if has tcpdump "a rotation of ten gzip'd files"; then
    # It would give up its rights, and the folder with them.
    tcpdump -Z "$(id -un)" -r "$plain" -C $((mib / 10 + 1)) -w "$work/part" 2>/dev/null
    gzip -1 "$work"/part*
    for threads in 2 1; do
        mine=("$qscope" replay --threads "$threads" --format json)
        for tool in gzip igzip; do
            if has "$tool" "gzip'd rotation"; then
                compare "gzip'd rotation, $threads threads" replay "$tool -dc" -- \
                    "${mine[@]}" "$work"/part*.gz -- "$tool" -dc "$work"/part*.gz
            fi
        done
    done
fi
echo
echo "Memory at most: plain $(memory plain "$qscope" replay --format json "$plain")," \
    "2,500 copies at once $(memory copies "$qscope" replay --format json "$many")."
if has valgrind "instructions and allocations per frame"; then
    # Of two captures, so that what is done once does not count.
    "$enlarge" "$work/100k.pcap" 100000 1 "$source"
    "$enlarge" "$work/300k.pcap" 300000 1 "$source"
    counted() {
        valgrind "--tool=$1" ${2:+"$2"} "$qscope" replay --threads 1 --format json "$3" 2>&1 >/dev/null |
            sed -n "s/,//g; s/.*$4 *\([0-9]*\).*/\1/p" | head -n 1
    }
    instructions() { counted callgrind --callgrind-out-file=/dev/null "$1" "Collected *:"; }
    allocations() { counted memcheck "" "$1" "total heap usage:"; }
    for what in instructions allocations; do
        awk -v what="$what" -v a="$($what "$work/100k.pcap")" -v b="$($what "$work/300k.pcap")" \
            'BEGIN { printf "%s per frame: %.3f\n", what, (b - a) / 200000 }'
    done
fi
for line in "${missing[@]:-}"; do
    [ -z "$line" ] || echo "Not measured, as $line."
done
