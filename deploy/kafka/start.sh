#!/usr/bin/env bash
# A single Apache Kafka node in the foreground, from Apache's released jars. Needs Java 17; Maven at the first start.
#
#   start.sh [run]   format the data directory if it is new, then serve until SIGTERM
#   start.sh jars    only fetch the jars
#
#   KAFKA_PORT             for clients, on 127.0.0.1 (9092)
#   KAFKA_CONTROLLER_PORT  for the node itself (KAFKA_PORT + 1)
#   KAFKA_DATA_DIR         topics and their messages (./kafka-data)
#   KAFKA_CACHE_DIR        the jars, fetched once a version (${XDG_CACHE_HOME:-~/.cache}/trailbook)
#   KAFKA_HEAP             (-Xms64m -Xmx384m)
#   KAFKA_LISTENERS        more listeners, such as SASL_SSL://127.0.0.1:9096
#   KAFKA_SETTINGS         more lines of configuration, which override the others
#   KAFKA_ENDS_WITH_STDIN  if set: stop when standard input closes, as it does when the starter is killed
#
# What stops it is told in the last line of standard error, in one sentence.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$here/pom.xml")
jars=${KAFKA_CACHE_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/trailbook}/kafka-$version-$(cksum <"$here/pom.xml" | cut -d' ' -f1)

fail() {
    echo "$*" >&2
    exit 1
}

find_java() {
    java=${JAVA_HOME:+$JAVA_HOME/bin/}java
    command -v "$java" >/dev/null || fail "Apache Kafka needs Java 17, and there is no $java here; install a JRE or set JAVA_HOME"
    local found
    found=$("$java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${found:-0}" -ge 17 ] || fail "Apache Kafka $version needs Java 17, and $java is version ${found:-unknown}; set JAVA_HOME"
}

first_fault() {
    { grep -m 1 ERROR "$1" || tail -n 1 "$1"; } | sed -e $'s/\033\\[[0-9;]*m//g' -e 's/^\[ERROR\] //' -e 's/ -> \[Help 1\]$//' | cut -c 1-800
}

# A folder appears under its name only when it is whole, so that others may fetch at the same time.
fetch_jars() {
    [ ! -d "$jars" ] || return 0
    command -v mvn >/dev/null || fail "the jars of Apache Kafka $version are not in $jars, and there is no Maven (mvn) here to fetch them"
    mkdir -p "$(dirname "$jars")" || fail "the jars of Apache Kafka $version cannot be kept in $jars; set KAFKA_CACHE_DIR"
    find "$(dirname "$jars")" -maxdepth 1 -name 'kafka-*.new.??????' -mtime +1 -exec rm -rf {} + # of one that was killed
    local new
    new=$(mktemp -d "$jars.new.XXXXXX")
    trap "rm -rf '$new'" EXIT
    # a repository of its own, so that every jar is downloaded and its checksum compared, also what others left behind
    mvn --batch-mode --quiet --strict-checksums -Dstyle.color=never --file "$here/pom.xml" \
        -Dmaven.repo.local="$new/repository" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DincludeScope=runtime -DoutputDirectory="$new/jars" >"$new/log" 2>&1 </dev/null ||
        fail "Maven cannot fetch the jars of Apache Kafka $version: $(first_fault "$new/log")"
    [ -d "$jars" ] || mv "$new/jars" "$jars"
    rm -rf "$new"
    trap - EXIT
}

find_java
case ${1:-run} in
jars)
    fetch_jars
    echo "$jars"
    exit
    ;;
run) ;;
*) fail "start.sh run, or start.sh jars" ;;
esac

fetch_jars
port=${KAFKA_PORT:-9092}
controller_port=${KAFKA_CONTROLLER_PORT:-$((port + 1))}
data=${KAFKA_DATA_DIR:-kafka-data}
mkdir -p "$data/log" || fail "the data directory $data cannot be written"
# Kafka's own lock comes too late: a second broker has by then written into the first one's log of metadata. This one
# is held by whatever inherits descriptor 9, so as long as the broker lives.
exec 9>"$data/lock" || fail "the data directory $data cannot be written"
! command -v flock >/dev/null || flock -n 9 || fail "another Apache Kafka uses $data; stop it, or give another directory"
{
    cat "$here/server.properties"
    echo "listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port${KAFKA_LISTENERS:+,$KAFKA_LISTENERS}"
    echo "controller.quorum.voters=1@127.0.0.1:$controller_port"
    echo "log.dirs=$data/log"
    echo "${KAFKA_SETTINGS:-}"
} >"$data/server.properties" || fail "the data directory $data cannot be written"

# quick to start rather than quick for days: one compiler, one collector
kafka=("$java" ${KAFKA_HEAP:--Xms64m -Xmx384m} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto
    -Dlog4j2.configurationFile="$here/log4j2.properties" -cp "$jars/*")

# the id is of this directory alone, so that a client can tell whose broker answers
cluster_id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | sed 's/^-/_/' | cut -c 1-22)
[ -f "$data/log/meta.properties" ] ||
    "${kafka[@]}" kafka.tools.StorageTool format --ignore-formatted --cluster-id "$cluster_id" -c "$data/server.properties" ||
    fail "the data directory $data cannot be formatted"

if [ -z "${KAFKA_ENDS_WITH_STDIN:-}" ]; then
    exec "${kafka[@]}" kafka.Kafka "$data/server.properties"
fi
exec 3<&0
"${kafka[@]}" kafka.Kafka "$data/server.properties" </dev/null 3<&- &
broker=$!
trap 'kill "$broker" 2>/dev/null' TERM INT
(
    trap '' TERM INT
    exec 9>&-
    read -r -u 3 _ || true
    kill "$broker" 2>/dev/null
    for _ in {1..40}; do
        sleep 0.25
        kill -0 "$broker" 2>/dev/null || exit
    done
    kill -KILL "$broker" 2>/dev/null
) &
watcher=$!
disown "$watcher"
exec 3<&-
code=0
wait "$broker" || code=$?
while kill -0 "$broker" 2>/dev/null; do wait "$broker" || code=$?; done
kill -KILL "$watcher" 2>/dev/null || true
exit "$code"
