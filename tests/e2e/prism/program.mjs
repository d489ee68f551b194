// Calls operations of Moov's with Moov's TypeScript SDK (@moovio/sdk), as its README says: each once with a token
// that may, and once with one that may not. Prints `NAME came VALUE` and `NAME refused STATUS`, and judges nothing.

import { Moov } from "@moovio/sdk";

const { MOCKMOOV_URL: serverURL, ACCOUNT: accountID, GOOD, BAD } = process.env;
const terminalApplicationID = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

const calls = {
  listBankAccounts: async (moov) => (await moov.bankAccounts.list({ accountID })).result[0].fingerprint,
  getAccountCountries: async (moov) => (await moov.accounts.getCountries({ accountID })).result.countries.join(),
  assignAccountCountries: async (moov) =>
    (await moov.accounts.assignCountries({ accountID, accountCountries: { countries: ["NZ"] } })).result.countries.join(),
  listEventTypes: async (moov) => (await moov.webhooks.listEventTypes()).result[0].type,
  deleteTerminalApplication: async (moov) =>
    Boolean((await moov.terminalApplications.delete({ terminalApplicationID })).headers["x-request-id"]),
  getTermsOfServiceToken: async (moov) => (await moov.accounts.getTermsOfServiceToken({})).result.token,
};

const by = (accessToken) => new Moov({ serverURL, accessToken });
for (const [name, call] of Object.entries(calls)) {
  const refusal = await call(by(BAD)).then(() => "nothing", (error) => error.statusCode ?? error);
  console.log(`${name} refused ${refusal}`);
}
for (const [name, call] of Object.entries(calls)) {
  console.log(`${name} came ${await call(by(GOOD)).catch((error) => error)}`);
}
