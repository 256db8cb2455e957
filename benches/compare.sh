#!/usr/bin/env bash
# Times qscope against other tools over the same captures, in turn in one run, and prints a table of medians.
#
#     benches/compare.sh [FRAMES [RUNS]]
#
# Makes its captures from testdata in $TMPDIR (some 450 bytes a frame, gone afterwards); the gzip'd ones hold
# three times FRAMES, and what goes through a pipe 31 times. What cannot be measured because a tool is not
# installed is said below the table.
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
replay=("$qscope" replay --format json)

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

# compare WORK OTHER FORMAT -- COMMAND -- OTHER-COMMAND: medians, and that of the ratios of pairs, shown
# by an awk expression of the ratio r.
compare() {
    local work_name=$1 other=$2 shown=$3 a=() b=() run times_a=() times_b=()
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
    printf '| %s | %.2f s | %s %.2f s | %s |\n' "$work_name" \
        "$(printf '%s\n' "${times_a[@]}" | median)" "$other" "$(printf '%s\n' "${times_b[@]}" | median)" \
        "$(awk -v r="$ratio" "BEGIN { printf $shown }")"
}

plain=$work/plain.pcap
many=$work/many.pcap
"$enlarge" "$plain" "$frames" 1 "$source"
"$enlarge" "$many" "$frames" 2500 "$source"
mib=$(($(stat -c %s "$plain") / 1048576))
cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)

echo "$frames frames cut at 96 bytes, $mib MiB; $(nproc) processors ($cpu); medians of $runs pairs of runs in turn"
echo
echo "| work | qscope | other | ratio |"
echo "| --- | --- | --- | --- |"
ratio='"%.2f", r'
if has tcpdump "plain capture"; then
    for threads in 2 1; do
        compare "plain, \`--threads $threads\`" "\`tcpdump -w\`" "$ratio" -- \
            "${replay[@]}" --threads "$threads" "$plain" -- tcpdump -r "$plain" -w /dev/null
    done
fi
if has tshark "plain capture of a tenth"; then
    "$enlarge" "$work/tenth.pcap" $((frames / 10)) 1 "$source"
    compare "a tenth of it" "\`tshark -z io,stat\`" '"1 : %.0f", 1 / r' -- \
        "${replay[@]}" "$work/tenth.pcap" -- tshark -r "$work/tenth.pcap" -q -z io,stat,0
fi
if has tcpdump "a rotation of ten gzip'd files"; then
    # It would give up its rights, and the folder with them.
    "$enlarge" - $((frames * 3)) 1 "$source" |
        tcpdump -Z "$(id -un)" -r - -C $((mib * 3 * 1048576 / 10000000 + 1)) -w "$work/part" 2>/dev/null
    gzip -1 "$work"/part*
    packed=("$work"/part*.gz)
    for threads in 2 1; do
        if has igzip "gzip'd rotation"; then
            compare "${#packed[@]} gzip'd files, \`--threads $threads\`" "\`igzip -dc\`" "$ratio" -- \
                "${replay[@]}" --threads "$threads" "${packed[@]}" -- igzip -dc "${packed[@]}"
        fi
    done
    compare "the same, \`--threads 2\`" "\`gzip -dc\`" "$ratio" -- \
        "${replay[@]}" --threads 2 "${packed[@]}" -- gzip -dc "${packed[@]}"
fi
compare "2,500 copies of all links at once" "one copy" "$ratio" -- "${replay[@]}" "$many" -- "${replay[@]}" "$plain"

# Memory, of what is read from a file or standard input.
memory() {
    /usr/bin/time -f %M "${replay[@]}" "$1" 2>&1 >/dev/null | tail -n 1 | awk '{ printf "%.0f MiB", $1 / 1024 }'
}
if has /usr/bin/time "memory"; then
    echo "| memory: plain | $(memory "$plain") | | |"
    [ -z "${packed:-}" ] || echo "| memory: gzip'd | $(replay+=("${packed[@]:1}") && memory "${packed[0]}") | | |"
    echo "| memory: $((frames * 31)) frames through a pipe | $("$enlarge" - $((frames * 31)) 1 "$source" | memory -) | | |"
    echo "| memory: 2,500 copies of all links at once | $(memory "$many") | | |"
fi
"$enlarge" "$work/small.pcap" 10000 1 "$source"
start=$(for ((run = 0; run < 4 * runs; run++)); do wall "$qscope" replay "$work/small.pcap"; done | median)
echo "| a capture of 1 MB from start to end | $(awk -v s="$start" 'BEGIN { printf "%.0f ms", s * 1000 }') | | |"

# By layer: criterion tells the rate of frames.
if layers=$(cargo bench --quiet 2>/dev/null); then
    cost() {
        awk -v name="$1" '$1 == name { here = 1 }
            here && $1 == "thrpt:" { rate = $4; unit = $5; exit }
            END { sub("]", "", unit)
                printf "%.1f", 1000 / (rate * (unit ~ /^G/ ? 1000 : unit ~ /^K/ ? 0.001 : 1)) }' <<<"$layers"
    }
    echo
    echo "| nanoseconds a frame: file | packet | stream | streams and records | tracking | whole | head of a packet |"
    echo "| --- | --- | --- | --- | --- | --- | --- |"
    echo "| $(cost file/plain) | $(cost packet/segments) | $(cost stream/chunks) | $(cost records/dissected) | $(cost tracking/events) | $(cost whole/plain) | $(cost head/quorum) |"
fi
if has valgrind "instructions and allocations per frame"; then
    # Of two captures, so that what is done once does not count.
    "$enlarge" "$work/100k.pcap" 100000 1 "$source"
    "$enlarge" "$work/300k.pcap" 300000 1 "$source"
    counted() {
        valgrind "--tool=$1" ${2:+"$2"} "${replay[@]}" --threads 1 "$3" 2>&1 >/dev/null |
            sed -n "s/,//g; s/.*$4 *\([0-9]*\).*/\1/p" | head -n 1
    }
    instructions() { counted callgrind --callgrind-out-file=/dev/null "$1" "Collected *:"; }
    allocations() { counted memcheck "" "$1" "total heap usage:"; }
    echo
    for what in instructions allocations; do
        awk -v what="$what" -v a="$($what "$work/100k.pcap")" -v b="$($what "$work/300k.pcap")" \
            'BEGIN { printf "%s per frame: %.3f\n", what, (b - a) / 200000 }'
    done
fi
for line in "${missing[@]:-}"; do
    [ -z "$line" ] || echo "Not measured, as $line."
done
