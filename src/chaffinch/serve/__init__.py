"""The review server: the page, its data and the reviewers' decisions over HTTP."""
