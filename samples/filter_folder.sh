#!/bin/sh
# Filter every picture of a folder into another folder, again and again.
#
#   samples/filter_folder.sh PHOTOS EDGES [options of `cnncli edge`]
#   samples/filter_folder.sh PHOTOS EDGES --filter scharr --jobs 4
#
# Safe to run from cron or a Makefile:
#   - the tree below PHOTOS is kept below EDGES, and PHOTOS itself is never written to;
#   - a picture that is done already is skipped, so an interrupted run goes on where it stopped;
#   - a damaged picture does not stop the others: it is listed at the end;
#   - one JSON line per picture goes to EDGES/report.jsonl;
#   - the exit code is cnncli's: 0 all done, 1 some pictures failed, 2 wrong usage, 3 no pictures.
set -u

if [ "$#" -lt 2 ]; then
    echo "usage: $0 PHOTOS EDGES [options of cnncli edge]" >&2
    exit 2
fi
photos=$1
edges=$2
shift 2

mkdir -p -- "$edges" || exit 1
report=$edges/report.jsonl

# -r goes down the folder, the slash says that the output is one, "$@" hands on the other options.
# Quotes keep names with spaces whole.
cnncli edge "$photos" -r -o "$edges/" --skip-existing --json "$@" > "$report"
code=$?

# Say on stderr what failed; the lines hold "input" and "error".
grep '"status": *"failed"' "$report" >&2
exit "$code"
