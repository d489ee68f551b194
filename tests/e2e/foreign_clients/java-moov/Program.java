// Gets, refreshes and revokes tokens with Moov's Java SDK (io.moov:sdk), as its documentation says, with the
// server's URL as the only addition.
//
// What the SDK sends, by its public documentation: token requests and revocations as JSON, Basic from
// `security`, and an X-Moov-Version of its own on every call: always the dated contract. GenericError stands for
// 400, AuthTokenRequestError and RevokeTokenRequestError for 422, APIException for any other refusal.
//
// CI cannot get the SDK (see ../unavailable.toml). Every check was ok with 26.4.11, built from its public source.

import io.moov.sdk.Moov;
import io.moov.sdk.models.components.AuthToken;
import io.moov.sdk.models.components.AuthTokenRequest;
import io.moov.sdk.models.components.GrantType;
import io.moov.sdk.models.components.RevokeTokenRequest;
import io.moov.sdk.models.components.Security;
import io.moov.sdk.models.errors.APIException;
import io.moov.sdk.models.errors.AuthTokenRequestError;
import io.moov.sdk.models.errors.GenericError;
import io.moov.sdk.models.errors.RevokeTokenRequestError;
import java.util.concurrent.Callable;

public class Program {
    static final String URL = System.getenv("MOCKMOOV_URL");
    static final String ID = System.getenv("MOCKMOOV_CLIENT_ID");
    static final String SECRET = System.getenv("MOCKMOOV_CLIENT_SECRET");
    static final String SEVERAL = "/ping.read /accounts.write";
    static boolean failed;

    static void check(String name, boolean ok, Object came) {
        failed |= !ok;
        String said = String.valueOf(came);
        System.out.println(ok ? "ok " + name : "not ok " + name + ": " + said.substring(0, Math.min(300, said.length())));
    }

    static Moov sdk(String secret) {
        return Moov.builder()
            .serverURL(URL)
            .security(Security.builder().username(ID).password(secret).build())
            .build();
    }

    static AuthToken create(Moov moov, AuthTokenRequest request) throws Exception {
        return moov.authentication().createAccessToken().request(request).call().authToken().orElseThrow();
    }

    static AuthTokenRequest credentials(String scope) {
        return AuthTokenRequest.builder().grantType(GrantType.CLIENT_CREDENTIALS).scope(scope).build();
    }

    static AuthTokenRequest refresh(String token) {
        return AuthTokenRequest.builder().grantType(GrantType.REFRESH_TOKEN).refreshToken(token).build();
    }

    static int revoke(Moov moov, String token) throws Exception {
        RevokeTokenRequest request = RevokeTokenRequest.builder().token(token).build();
        return moov.authentication().revokeAccessToken().request(request).call().statusCode();
    }

    static Exception caught(Callable<?> call) {
        try {
            call.call();
            return null;
        } catch (Exception error) {
            return error;
        }
    }

    static void checkToken(String name, AuthToken token, String scope) {
        check(name, token.scope().equals(scope), token.scope());
        long left = token.expiresIn() - System.currentTimeMillis() / 1000;
        check(name + ": expiry is a Unix time", left > 3500 && left <= 3601, token.expiresIn());
    }

    static void check401(String name, Exception error) {
        check(name, error instanceof APIException && ((APIException) error).code() == 401, error);
    }

    public static void main(String[] arguments) throws Exception {
        Moov moov = sdk(SECRET);
        checkToken("one scope", create(moov, credentials("/ping.read")), "/ping.read");
        AuthToken several = create(moov, credentials(SEVERAL));
        checkToken("several scopes", several, SEVERAL);
        AuthToken refreshed = create(moov, refresh(several.refreshToken()));
        checkToken("refresh", refreshed, SEVERAL);
        check("refresh brings a new pair", !refreshed.accessToken().equals(several.accessToken()), "the same again");
        check("ping by Basic", moov.ping().ping().call().statusCode() == 200, "not 200");

        check("revoke", revoke(moov, refreshed.refreshToken()) == 204, "not 204");
        Exception error = caught(() -> create(moov, refresh(refreshed.refreshToken())));
        check("refresh with the revoked token", error instanceof AuthTokenRequestError, error);
        error = caught(() -> create(moov, credentials("/no-such.scope")));
        check("wrong scope", error instanceof AuthTokenRequestError, error);
        error = caught(() -> create(moov, refresh("never-was-one")));
        check("unknown refresh token", error instanceof AuthTokenRequestError, error);
        error = caught(() -> revoke(moov, ""));
        check("nothing to revoke", error instanceof RevokeTokenRequestError, error);
        AuthTokenRequest other = AuthTokenRequest.builder().grantType(GrantType.CLIENT_CREDENTIALS)
            .clientId("x").clientSecret("y").scope(SEVERAL).build();
        error = caught(() -> create(moov, other));
        check("Basic and body disagree", error instanceof GenericError, error);

        Moov stranger = sdk("not-the-secret");
        check401("wrong secret", caught(() -> create(stranger, credentials(SEVERAL))));
        check401("revoke: wrong secret", caught(() -> revoke(stranger, "any")));
        check401("ping: wrong secret", caught(() -> stranger.ping().ping().call()));
        System.exit(failed ? 1 : 0);
    }
}
