"""In a container: ask the process how it is. Prints its answer; exit code 1 where that is not well.

ask.py [readyz | healthz | metrics]
"""

import os
import sys
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

page = sys.argv[1] if len(sys.argv) > 1 else "readyz"
try:
    with urlopen(f"http://127.0.0.1:{os.environ['TRAILBOOK_HTTP_PORT']}/{page}", timeout=4) as answer:
        sys.stdout.write(answer.read().decode())
except HTTPError as not_well:
    sys.exit(not_well.read().decode().rstrip())
except (URLError, OSError) as unreachable:
    sys.exit(f"the process does not answer: {unreachable}")
