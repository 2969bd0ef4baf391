"""The API of the official Python SDK 0.7."""
