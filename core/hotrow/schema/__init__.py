"""Definitions: entities, feature views, push sources, feature services, and how a repository's files are loaded."""
