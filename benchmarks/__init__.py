"""The bench: mockmoov and, next to it, the least that such a server could be."""
