"""`python -m benchmarks.floors NAME PORT`: serve a floor with uvicorn."""

import sys

import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        f"benchmarks.floors.{sys.argv[1]}:app",
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
