"""Composition only: settings, urls, processes, health. Nothing imports it."""
