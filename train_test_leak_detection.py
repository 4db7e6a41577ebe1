#!/usr/bin/env python3
"""Find images that appear both in a training folder and in a test folder; see --help.

A thin entry point: the work is done by the installed package `chaffinch`, wherever this file lies.
"""

from chaffinch.cli.guide_leaks import main

# Images a worker measures between two saves, divided by 32. Lower it if memory runs out.
batch_size = 32

if __name__ == "__main__":
    main(batch_size=batch_size)
