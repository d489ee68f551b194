"""Lists accounts, reads one and creates a transfer with Moov's Python SDK, and prints the parsed responses.

The accounts are read with Basic credentials; the transfer is created with a bearer token.
"""

import json
import os

from moovio_sdk import Moov
from moovio_sdk.models import components

CREDENTIALS = components.Security(
    username=os.environ["MOCKMOOV_CLIENT_ID"], password=os.environ["MOCKMOOV_CLIENT_SECRET"]
)

with Moov(server_url=os.environ["MOCKMOOV_URL"], security=CREDENTIALS) as moov:
    accounts = moov.accounts.list(count=10).result
    account_id = accounts[0].account_id
    account = moov.accounts.get(account_id=account_id).result
    token = moov.authentication.create_access_token(
        grant_type=components.GrantType.CLIENT_CREDENTIALS, scope=f"/accounts/{account_id}/transfers.write"
    ).result
    transfer = moov.transfers.create(
        account_id=account_id,
        x_idempotency_key="4c5bd1f6-1cb4-4a2b-9c85-5d3d1ad7a5a0",
        x_wait_for=components.TransferWaitFor.RAIL_RESPONSE,
        source=components.CreateTransferSource(payment_method_id="9506dbf6-4208-44c3-ad8a-e4431660e1f2"),
        destination=components.CreateTransferDestination(
            payment_method_id="3f9969cf-a1f3-4d83-8ddc-229a506651cf"
        ),
        amount=components.Amount(currency="USD", value=1204),
        http_headers={"Authorization": f"Bearer {token.access_token}"},
    ).result

print(json.dumps([model.model_dump(mode="json", by_alias=True) for model in (*accounts, account, transfer)]))
