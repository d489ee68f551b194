// Lists accounts, reads one and creates a transfer with Moov's TypeScript SDK, and prints the parsed responses.
// The accounts are read with Basic credentials; the transfer is created with a bearer token.

import { Moov } from "@moovio/sdk";

const { MOCKMOOV_URL: serverURL, MOCKMOOV_CLIENT_ID: username, MOCKMOOV_CLIENT_SECRET: password } = process.env;

const moov = new Moov({ serverURL, security: { username, password } });
const { result: accounts } = await moov.accounts.list({ count: 10 });
const { accountID } = accounts[0];
const { result: account } = await moov.accounts.get({ accountID });
const { result: token } = await moov.authentication.createAccessToken({
  grantType: "client_credentials",
  scope: `/accounts/${accountID}/transfers.write`,
});
const { result: transfer } = await new Moov({ serverURL, accessToken: token.accessToken }).transfers.create({
  accountID,
  xIdempotencyKey: "4c5bd1f6-1cb4-4a2b-9c85-5d3d1ad7a5a0",
  xWaitFor: "rail-response",
  createTransfer: {
    source: { paymentMethodID: "9506dbf6-4208-44c3-ad8a-e4431660e1f2" },
    destination: { paymentMethodID: "3f9969cf-a1f3-4d83-8ddc-229a506651cf" },
    amount: { currency: "USD", value: 1204 },
  },
});

console.log(JSON.stringify([...accounts, account, transfer]));
