// oauth2-mock-server on the port that is given, as its README starts it, with Moov's paths and kind of key.
import { OAuth2Server } from "oauth2-mock-server";

const server = new OAuth2Server(undefined, undefined, {
  endpoints: { token: "/oauth2/token", revoke: "/oauth2/revoke" },
});
await server.issuer.keys.generate("EdDSA");
await server.start(Number(process.argv[2]), "127.0.0.1");
