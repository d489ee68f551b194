// Command go-moov gets, refreshes and revokes tokens with Moov's Go SDK (moov-go), as its documentation says,
// pointed at the server by the SDK's own two variables, MOOV_HOST and MOOV_URL_SCHEME.
//
// What the SDK sends, by its public documentation and source: token requests and revocations as JSON, with the
// credentials by Basic and in the body, a revocation always with token_type_hint "access_token", User-Agent
// "moov-go/<version>", Authorization Basic or, from WithBearerToken, Bearer with the Origin or Referer that it is
// given; no X-Moov-Version unless a call has one, so that the server's default contract answers.
// It decodes answers of a JSON media type, refuses unknown members, takes 200 and 204 for completed and 201 for
// started, and any other status for an error that is a CallResponse.
//
// CI cannot get the SDK (see ../unavailable.toml), so there is no go.sum: the test makes one, checked by the
// checksum database, in a copy of this folder. Every check was ok with the SDK's public source of 2026-07.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"github.com/moovfinancial/moov-go/pkg/moov"
)

var (
	ctx    = context.Background()
	failed bool
)

func check(name string, ok bool, came any) bool {
	if ok {
		fmt.Println("ok " + name)
		return true
	}
	failed = true
	fmt.Printf("not ok %s: %.300s\n", name, fmt.Sprint(came))
	return false
}

// client is one whose environment is the documented one.
func client(secret string) *moov.Client {
	server, err := url.Parse(os.Getenv("MOCKMOOV_URL"))
	if err != nil {
		panic(err)
	}
	os.Setenv("MOOV_URL_SCHEME", server.Scheme)
	os.Setenv("MOOV_HOST", server.Host)
	os.Setenv("MOOV_PUBLIC_KEY", os.Getenv("MOCKMOOV_CLIENT_ID"))
	os.Setenv("MOOV_SECRET_KEY", secret)
	mc, err := moov.NewClient()
	if err != nil {
		panic(err)
	}
	return mc
}

func refused(name string, err error, status moov.CallStatus) {
	response := moov.ErrorAsCallResponse(err)
	check(name, response != nil && response.Status() == status, err)
}

func lifeOfAToken(mc *moov.Client) {
	one, err := mc.PingAccessToken(ctx)
	if !check("one scope", err == nil && one.Scope == "/ping.read", err) {
		return
	}
	check("Bearer", one.TokenType == "Bearer", one.TokenType)
	check("seconds to live", one.ExpiresIn == 3600, one.ExpiresIn)
	check("ping by Basic", mc.Ping(ctx) == nil, "refused")
	check("ping by bearer", mc.WithBearerToken(one.AccessToken).Ping(ctx) == nil, "refused")

	several, err := mc.AccessToken(ctx, moov.Scopes.Ping(), moov.Scopes.AccountsWrite())
	if !check("several scopes", err == nil && several.Scope == "/ping.read /accounts.write", err) {
		return
	}
	refreshed, err := mc.RefreshAccessToken(ctx, several.RefreshToken)
	if !check("refresh", err == nil && refreshed.Scope == several.Scope, err) {
		return
	}
	check("refresh brings a new pair",
		refreshed.AccessToken != several.AccessToken && refreshed.RefreshToken != several.RefreshToken, "the same again")
	err = mc.RevokeAccessToken(ctx, refreshed.AccessToken)
	check("revoke", err == nil, err)
	refused("ping with the revoked token",
		mc.WithBearerToken(refreshed.AccessToken).Ping(ctx), moov.StatusUnauthenticated)
	err = mc.RevokeAccessToken(ctx, refreshed.RefreshToken)
	check("revoke a refresh token, under the hint of the other kind", err == nil, err)
	_, err = mc.RefreshAccessToken(ctx, refreshed.RefreshToken)
	refused("refresh with the revoked token", err, moov.StatusBadRequest)
}

func refusals(mc *moov.Client) {
	_, err := mc.AccessToken(ctx, moov.Scopes.WalletsRead("not-a-uuid"))
	refused("wrong scope", err, moov.StatusBadRequest)
	_, err = mc.RefreshAccessToken(ctx, "never-was-one")
	refused("unknown refresh token", err, moov.StatusBadRequest)
	creation, err := mc.AccountCreationToken(ctx)
	if check("an account creation token", err == nil && creation.Scope == "/accounts.write", err) {
		refused("ping without its scope",
			mc.WithBearerToken(creation.AccessToken).Ping(ctx), moov.StatusUnauthorized)
	}
	stranger := client("not-the-secret")
	_, err = stranger.PingAccessToken(ctx)
	refused("wrong secret", err, moov.StatusUnauthenticated)
	refused("ping: wrong secret", stranger.Ping(ctx), moov.StatusUnauthenticated)
}

func main() {
	mc := client(os.Getenv("MOCKMOOV_CLIENT_SECRET"))
	lifeOfAToken(mc)
	refusals(mc)
	if failed {
		os.Exit(1)
	}
}
