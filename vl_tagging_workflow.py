#!/usr/bin/env python3
"""Turn an export of flagged images into a manifest for tagging; see --help.

A thin entry point: the work is done by the installed package `chaffinch`, wherever this file lies. From
Python: ``from vl_tagging_workflow import VLTaggingWorkflow``.
"""

from chaffinch.cli.guide_tagging import main
from chaffinch.pipeline.tagging_workflow import VLTaggingWorkflow

__all__ = ["VLTaggingWorkflow"]

if __name__ == "__main__":
    main()
