"""The contract suite behind `mockmoov verify`: checks that run against any server with Moov's endpoints."""
