// Command go-oauth2 gets, refreshes and revokes tokens with golang.org/x/oauth2, as its documentation says.
//
// What the library sends (v0.37.0): POST, a form body, User-Agent "Go-http-client/1.1", no Accept and no
// X-Moov-Version. AuthStyleInHeader: Basic with both halves form-encoded first. AuthStyleInParams:
// client_id and client_secret in the body. AuthStyleAutoDetect: Basic first and, after any failure
// whatever its status, the same request once more with the credentials in the body.
// It knows no revocation, so that part is plain net/http.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"mockmoov.test/conformance/go-oauth2/check"
)

var env = check.FromEnvironment()

func clientConfig(style oauth2.AuthStyle, scopes ...string) *clientcredentials.Config {
	return &clientcredentials.Config{
		ClientID:     env.ClientID,
		ClientSecret: env.ClientSecret,
		TokenURL:     env.URL + "/oauth2/token",
		Scopes:       scopes,
		AuthStyle:    style,
	}
}

func ping(client *http.Client, bearer string) (int, error) {
	request, err := http.NewRequest(http.MethodGet, env.URL+"/ping", nil)
	if err != nil {
		return 0, err
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func tokenArrives(ctx context.Context, name string, style oauth2.AuthStyle) {
	token, err := clientConfig(style, "/ping.read", "/accounts.write").Token(ctx)
	if !check.That("token by "+name, err == nil && token.AccessToken != "" && token.RefreshToken != "", err) {
		return
	}
	check.That("token type by "+name, token.TokenType == "Bearer", token.TokenType)
	check.That("scope by "+name, token.Extra("scope") == "/ping.read /accounts.write", token.Extra("scope"))
	left := time.Until(token.Expiry)
	check.That("an hour to live by "+name, left > 59*time.Minute && left <= time.Hour, left)
}

func tokenIsUsable(ctx context.Context) {
	status, err := ping(clientConfig(oauth2.AuthStyleInHeader, "/ping.read").Client(ctx), "")
	check.That("ping through its own http.Client", err == nil && status == http.StatusOK, fmt.Sprint(status, err))
	status, err = ping(clientConfig(oauth2.AuthStyleInHeader, "/accounts.write").Client(ctx), "")
	check.That("ping without its scope is 403", err == nil && status == http.StatusForbidden, fmt.Sprint(status, err))
}

func refusalIs(name string, err error, status int, code string) {
	var refusal *oauth2.RetrieveError
	if !check.That(name+" is a RetrieveError", errors.As(err, &refusal), err) {
		return
	}
	came := fmt.Sprint(refusal.Response.StatusCode, " ", refusal.ErrorCode)
	check.That(name+" says "+code, refusal.Response.StatusCode == status && refusal.ErrorCode == code, came)
}

func refusals(ctx context.Context) {
	_, err := clientConfig(oauth2.AuthStyleInHeader, "/no-such.scope").Token(ctx)
	refusalIs("wrong scope", err, http.StatusBadRequest, "invalid_scope")
	_, err = clientConfig(oauth2.AuthStyleInHeader).Token(ctx)
	refusalIs("no scope", err, http.StatusBadRequest, "invalid_scope")

	for _, wrong := range []struct {
		name   string
		style  oauth2.AuthStyle
		status int
	}{
		{"wrong secret by header", oauth2.AuthStyleInHeader, http.StatusUnauthorized},
		{"wrong secret by params", oauth2.AuthStyleInParams, http.StatusBadRequest},
		{"wrong secret by autodetect", oauth2.AuthStyleAutoDetect, http.StatusBadRequest},
	} {
		config := clientConfig(wrong.style, "/ping.read")
		config.ClientSecret = "not-the-secret"
		_, err := config.Token(ctx)
		refusalIs(wrong.name, err, wrong.status, "invalid_client")
	}
}

func refresh(ctx context.Context, style oauth2.AuthStyle, refreshToken string) (*oauth2.Token, error) {
	config := oauth2.Config{
		ClientID:     env.ClientID,
		ClientSecret: env.ClientSecret,
		Endpoint:     oauth2.Endpoint{TokenURL: env.URL + "/oauth2/token", AuthStyle: style},
	}
	// A token without an access token is not valid, so that the source refreshes at once.
	return config.TokenSource(ctx, &oauth2.Token{RefreshToken: refreshToken}).Token()
}

func refreshes(ctx context.Context) {
	first, err := clientConfig(oauth2.AuthStyleInHeader, "/ping.read").Token(ctx)
	if !check.That("a token to refresh", err == nil, err) {
		return
	}
	second, err := refresh(ctx, oauth2.AuthStyleInHeader, first.RefreshToken)
	if !check.That("refresh by header", err == nil, err) {
		return
	}
	check.That("refresh brings a new pair",
		second.AccessToken != first.AccessToken && second.RefreshToken != first.RefreshToken, "the same again")
	check.That("refresh keeps the scope", second.Extra("scope") == "/ping.read", second.Extra("scope"))
	status, err := ping(http.DefaultClient, second.AccessToken)
	check.That("ping with the refreshed token", err == nil && status == http.StatusOK, fmt.Sprint(status, err))
	third, err := refresh(ctx, oauth2.AuthStyleInParams, second.RefreshToken)
	check.That("refresh by params", err == nil && third.AccessToken != "", err)
	_, err = refresh(ctx, oauth2.AuthStyleInHeader, first.RefreshToken)
	refusalIs("a used-up refresh token", err, http.StatusBadRequest, "invalid_grant")
}

func revoke(form url.Values) (int, error) {
	request, err := http.NewRequest(http.MethodPost, env.URL+"/oauth2/revoke", strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(env.ClientID, env.ClientSecret)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

func revokes(ctx context.Context) {
	token, err := clientConfig(oauth2.AuthStyleInHeader, "/ping.read").Token(ctx)
	if !check.That("a token to revoke", err == nil, err) {
		return
	}
	status, err := revoke(url.Values{"token": {token.RefreshToken}, "token_type_hint": {"refresh_token"}})
	check.That("revoke is 204", err == nil && status == http.StatusNoContent, fmt.Sprint(status, err))
	_, err = refresh(ctx, oauth2.AuthStyleInHeader, token.RefreshToken)
	refusalIs("a revoked refresh token", err, http.StatusBadRequest, "invalid_grant")
	status, err = ping(http.DefaultClient, token.AccessToken)
	check.That("its access token went with it", err == nil && status == http.StatusUnauthorized, fmt.Sprint(status, err))
	status, err = revoke(url.Values{"token": {"never-was-one"}})
	check.That("revoking an unknown token is 204", err == nil && status == http.StatusNoContent, fmt.Sprint(status, err))
}

func main() {
	ctx := context.Background()
	tokenArrives(ctx, "header", oauth2.AuthStyleInHeader)
	tokenArrives(ctx, "params", oauth2.AuthStyleInParams)
	tokenArrives(ctx, "autodetect", oauth2.AuthStyleAutoDetect)
	tokenIsUsable(ctx)
	refusals(ctx)
	refreshes(ctx)
	revokes(ctx)
	check.Exit()
}
