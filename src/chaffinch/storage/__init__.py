"""The workspace on disk: tables, shards, generations, lock."""
