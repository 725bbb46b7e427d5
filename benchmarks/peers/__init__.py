"""Consumers, each a process of its own: DSkity, and what a user would pick instead."""
