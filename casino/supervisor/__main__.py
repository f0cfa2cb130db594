"""`python -m casino.supervisor`, which is what `bin/up` runs."""

import sys

from casino.supervisor.run import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
