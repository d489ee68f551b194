"""Programs for those who work on mockmoov; none of them is part of the package."""
