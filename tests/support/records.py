"""One record of each kind; tests change what they need with `replace`."""

from mockmoov.oauth.records import AccessToken, ApiKey, Exchange, RefreshToken

API_KEY = ApiKey(
    client_id="id", client_secret="secret", account_id="account", application_id="application",
    origins=("https://shop.example",), scopes=None, grants=("client_credentials", "refresh_token"),
    enabled=True, epoch="epoch",
)  # fmt: skip
REFRESH_TOKEN = RefreshToken(
    client_id="id", epoch="epoch", family="family", sequence=0, scope="/ping.read", client_type="web",
    issued_at=1, expires_at=2,
)  # fmt: skip
ACCESS_TOKEN = AccessToken(
    client_id="id", epoch="epoch", family="family", client_type="web", jti="jti", scope="/ping.read",
    audiences=(), expires_at=2.0, claims={"iat": 1},
)  # fmt: skip
EXCHANGE = Exchange(
    at=5.0, client_id=None, endpoint=None, method="GET", path="/", contract="2023", grant_type=None,
    status=404, reason="x", fault=None, headers={"a": "b"}, parameters={}, issued={},
)  # fmt: skip
