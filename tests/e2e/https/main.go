// Pings with Go's net/http; SSL_CERT_FILE names the CA. api.moov.io is this machine here.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

func dial(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, strings.Replace(address, "api.moov.io:", "127.0.0.1:", 1))
}

func main() {
	client := http.Client{Transport: &http.Transport{DialContext: dial}}
	for _, url := range os.Args[2:] {
		request, err := http.NewRequest(http.MethodGet, url+"/ping", nil)
		if err != nil {
			panic(err)
		}
		request.Header.Set("Authorization", os.Args[1])
		answer, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			continue
		}
		answer.Body.Close()
		fmt.Println(answer.StatusCode)
	}
}
