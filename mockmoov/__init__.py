"""mockmoov: a test double of Moov's OAuth 2.0 endpoints."""

__version__ = "0.1.0"
