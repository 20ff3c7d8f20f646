#!/bin/bash
# Whether the broker in this container answers: one ApiVersions request to its own listener. A Java tool would take a
# second of a processor for the same question.
set -euo pipefail
exec 3<>/dev/tcp/127.0.0.1/9093
# length 14; request 18 in version 0; correlation 1; client id of 4 bytes
printf '\0\0\0\16\0\22\0\0\0\0\0\1\0\4self' >&3
# length, correlation, and the error, which is 0
answer=$(head -c 10 <&3 | od -An -tx1 | tr -d ' \n')
[ "${answer:8}" = 000000010000 ]
