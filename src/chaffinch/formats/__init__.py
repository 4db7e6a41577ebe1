"""Readers and writers of other people's files; decides nothing, decodes no pixels."""
