"""Two users of a load test, each with a token from the server that `mockmoov run` has started."""

import os

from locust import HttpUser, constant, task


class Program(HttpUser):
    host = os.environ["MOOV_BASE_URL"]
    wait_time = constant(0)

    def on_start(self):
        grant = {"grant_type": "client_credentials", "scope": "/ping.read"}
        credentials = (os.environ["MOOV_CLIENT_ID"], os.environ["MOOV_CLIENT_SECRET"])
        token = self.client.post("/oauth2/token", data=grant, auth=credentials).json()["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"

    @task
    def ping(self):
        self.client.get("/ping")
