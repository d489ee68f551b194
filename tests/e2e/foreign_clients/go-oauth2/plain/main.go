// Command plain speaks to the token endpoint with net/http alone, the way public code was seen to: grant_type
// and scope in the query string, Basic credentials, and an empty body.
//
// What net/http sends: POST, Content-Length 0, User-Agent "Go-http-client/1.1", and no Content-Type unless
// one is set; both ways are tried.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"

	"mockmoov.test/conformance/go-oauth2/check"
)

var env = check.FromEnvironment()

type answer struct {
	Status       int
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	Scope        string `json:"scope"`
	ExpiresIn    int    `json:"expires_in"`
	Error        string `json:"error"`
}

func (a answer) String() string {
	return fmt.Sprintf("status %d, token_type %q, scope %q, error %q", a.Status, a.TokenType, a.Scope, a.Error)
}

func post(path string, query url.Values, contentType string, basic bool) answer {
	request, err := http.NewRequest(http.MethodPost, env.URL+path+"?"+query.Encode(), nil)
	if err != nil {
		return answer{Error: err.Error()}
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if basic {
		request.SetBasicAuth(env.ClientID, env.ClientSecret)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer response.Body.Close()
	var came answer
	if response.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(response.Body).Decode(&came); err != nil {
			came.Error = "not JSON: " + err.Error()
		}
	}
	came.Status = response.StatusCode
	return came
}

func arrived(came answer) bool {
	return came.Status == http.StatusOK && came.AccessToken != "" && came.TokenType == "Bearer" &&
		came.Scope == "/accounts.write /ping.read" && came.ExpiresIn == 3600
}

func main() {
	const form = "application/x-www-form-urlencoded"
	query := url.Values{"grant_type": {"client_credentials"}, "scope": {"/accounts.write /ping.read"}}

	came := post("/oauth2/token", query, "", true)
	check.That("token by query string", arrived(came), came)
	came = post("/oauth2/token", query, form, true)
	check.That("token by query string, an empty form beside it", arrived(came), came)

	again := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {came.RefreshToken}}
	refreshed := post("/oauth2/token", again, "", true)
	check.That("refresh by query string", arrived(refreshed), refreshed)

	with := url.Values{"client_id": {env.ClientID}, "client_secret": {env.ClientSecret}}
	for name, values := range query {
		with[name] = values
	}
	came = post("/oauth2/token", with, "", false)
	check.That("a secret in the query string is refused",
		came.Status == http.StatusBadRequest && came.Error == "invalid_request", came)
	check.Exit()
}
