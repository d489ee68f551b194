// Command go-moov-2023 gets, refreshes and revokes tokens with the 2023 Go SDK, as its AccessToken page says,
// with the server's URL as the only addition.
//
// What the SDK sends, by its public documentation and source: token requests as JSON, revocations as a form,
// User-Agent "speakeasy-sdk/go 0.5.0 <generator> 1.0.0 github.com/speakeasy-sdks/moov-go", no X-Moov-Version,
// and, from its own example's empty AccessToken, an Authorization header that is not Basic.
// It takes "jwt" and "opaque" as token types and refuses a response with a member it does not know.
//
// CI cannot get the SDK (see ../unavailable.toml), so there is no go.sum: the test makes one, checked by the
// checksum database, in a copy of this folder. Every check was ok with v0.4.1, built from its public source;
// the newest commit of that source doesn't compile.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	moovgo "github.com/speakeasy-sdks/moov-go"
	"github.com/speakeasy-sdks/moov-go/pkg/models/sdkerrors"
	"github.com/speakeasy-sdks/moov-go/pkg/models/shared"
)

var (
	serverURL    = os.Getenv("MOCKMOOV_URL")
	clientID     = os.Getenv("MOCKMOOV_CLIENT_ID")
	clientSecret = os.Getenv("MOCKMOOV_CLIENT_SECRET")
	failed       bool
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

func sdk(security shared.Security) *moovgo.Moov {
	return moovgo.New(moovgo.WithServerURL(serverURL), moovgo.WithSecurity(security))
}

// documented is the SDK as its own example makes it: an empty access token.
func documented() *moovgo.Moov {
	return sdk(shared.Security{AccessToken: moovgo.String("")})
}

func basic(secret string) *moovgo.Moov {
	return sdk(shared.Security{
		OAuth2Credentials: &shared.SchemeOAuth2Credentials{Username: clientID, Password: secret},
	})
}

// documentedRequest has the arguments of the example, a refresh token beside client_credentials included.
func documentedRequest() shared.ClientCredentialsGrantToAccessTokenRequest {
	return shared.ClientCredentialsGrantToAccessTokenRequest{
		ClientID:     moovgo.String(clientID),
		ClientSecret: moovgo.String(clientSecret),
		GrantType:    shared.GrantTypeClientCredentials,
		RefreshToken: moovgo.String("i1qxz68gu50zp4i8ceyxqogmq7y0yienm52351c6..."),
		Scope:        moovgo.String("/accounts.write"),
	}
}

func create(
	s *moovgo.Moov, request shared.ClientCredentialsGrantToAccessTokenRequest,
) (*shared.ClientCredentialsGrantToAccessTokenResponse, error) {
	res, err := s.AccessToken.Create(context.Background(), request)
	if err != nil {
		return nil, err
	}
	if res.AccessTokenResponse == nil || res.AccessTokenResponse.ClientCredentialsGrantToAccessTokenResponse == nil {
		return nil, fmt.Errorf("status %d and no access token response", res.StatusCode)
	}
	token := res.AccessTokenResponse.ClientCredentialsGrantToAccessTokenResponse
	if token.AccessToken == nil || token.RefreshToken == nil {
		return nil, errors.New("a response without both tokens")
	}
	return token, nil
}

func isRefusal(name string, err error) {
	var refusal *sdkerrors.AccessTokenErrorResponse
	check(name+" is an AccessTokenErrorResponse", errors.As(err, &refusal), fmt.Sprintf("%T %v", err, err))
}

func is401(name string, err error) {
	var refusal *sdkerrors.SDKError
	ok := errors.As(err, &refusal) && refusal.StatusCode == http.StatusUnauthorized
	check(name+" is an SDKError with 401", ok, fmt.Sprintf("%T %v", err, err))
}

func revoke(name, token string) {
	res, err := documented().AccessToken.Revoke(context.Background(), shared.RevokeTokenRequest{
		ClientID:     moovgo.String(clientID),
		ClientSecret: moovgo.String(clientSecret),
		Token:        token,
	})
	check(name, err == nil && res.StatusCode == http.StatusNoContent, err)
}

func refreshRequest(token string) shared.ClientCredentialsGrantToAccessTokenRequest {
	request := documentedRequest()
	request.GrantType = shared.GrantTypeRefreshToken
	request.RefreshToken = moovgo.String(token)
	request.Scope = nil
	return request
}

func lifeOfAToken() {
	token, err := create(documented(), documentedRequest())
	if !check("an access token came for the documented example", err == nil, err) {
		return
	}
	ok := token.Scope != nil && *token.Scope == "/accounts.write"
	check("the scope asked for", ok, "another scope")
	check("seconds to live", token.ExpiresIn != nil && *token.ExpiresIn == 3600, "another number")

	refreshed, err := create(documented(), refreshRequest(*token.RefreshToken))
	if !check("refresh", err == nil, err) {
		return
	}
	check("refresh brings a new token", *refreshed.AccessToken != *token.AccessToken, "the same again")
	revoke("revoke an access token", *refreshed.AccessToken)
	revoke("revoke a refresh token", *refreshed.RefreshToken)
	_, err = create(documented(), refreshRequest(*refreshed.RefreshToken))
	isRefusal("a revoked refresh token", err)
}

func credentials() {
	request := documentedRequest()
	request.ClientID, request.ClientSecret = nil, nil
	_, err := create(basic(clientSecret), request)
	check("credentials by Basic", err == nil, err)
	_, err = create(basic("not-the-secret"), request)
	is401("a wrong secret by Basic", err)

	request = documentedRequest()
	request.ClientSecret = moovgo.String("not-the-secret")
	_, err = create(documented(), request)
	isRefusal("a wrong secret in the body", err)
}

func main() {
	lifeOfAToken()
	credentials()
	request := documentedRequest()
	request.Scope = moovgo.String("/no-such.scope")
	_, err := create(documented(), request)
	isRefusal("a wrong scope", err)
	if failed {
		os.Exit(1)
	}
}
